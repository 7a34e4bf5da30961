/** Worker threads of Node for tokenizers. Does not know their tasks. */
import type { StartWorker } from "../../worker/index.ts";
import { nodeWorker } from "../../worker/node/index.ts";
import type { CreateTokenizerOptions } from "../byte-level-tokenizer.ts";
import { openTokenizer } from "../open-tokenizer.ts";
import type { Tokenizer } from "../tokenizer.ts";

/** A vocabulary of a million tokens takes 1 GiB, and a text of 500 million characters as much with its tokens. */
const heapMiB = 4096;

export const startTokenizerWorker: StartWorker = nodeWorker("encode-program", {
  from: import.meta.url,
  heapMiB,
});

/**
 * The tokenizer of an untrusted tokenizer.json, given as text. Slow work runs on another thread, within limits. Throws
 * `FormatError`, and nothing else, for text that is not a tokenizer.json or contradicts itself.
 */
export function openTokenizerFile(
  json: string,
  options: CreateTokenizerOptions = {},
): Promise<Tokenizer> {
  return openTokenizer(json, { ...options, startWorker: startTokenizerWorker });
}
