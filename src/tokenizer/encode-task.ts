/** The task of a tokenizer's worker: parse its file once, then encode texts. Knows no threads. */
import type { Tasks } from "../worker/index.ts";
import { InvariantError } from "../errors.ts";
import { createTokenizer } from "./byte-level-tokenizer.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { parseTokenizerJson } from "./tokenizer-json.ts";
import type { DirectTokenizer, EncodeOptions } from "./tokenizer.ts";

export interface EncodeTask extends Pick<EncodeOptions, "allowSpecial" | "literals"> {
  readonly text: string;
}

export function encodeTasks(): Tasks {
  let tokenizer: DirectTokenizer | undefined;
  return {
    async read(from: string | TokenizerDefinition) {
      tokenizer = await (typeof from === "string"
        ? parseTokenizerJson(from)
        : createTokenizer(from));
    },
    encode({ text, ...options }: EncodeTask) {
      if (tokenizer === undefined) throw new InvariantError("asked to encode before to read");
      return tokenizer.encode(text, options);
    },
  };
}
