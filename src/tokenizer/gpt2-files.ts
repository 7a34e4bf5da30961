/**
 * The two files in which GPT-2 was released: `encoder.json` (tokens to ids, also called vocab.json)
 * and `vocab.bpe` (merges, also called merges.txt). Knows no files and no directories.
 */
import { FormatError } from "../errors.ts";
import { createTokenizer } from "./byte-level-tokenizer.ts";
import type { CreateTokenizerOptions } from "./byte-level-tokenizer.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { GPT2_SPLIT } from "./pretokenize.ts";
import { parseJsonObject, readMerges, readVocab, tokensById } from "./tokenizer-file.ts";
import type { DirectTokenizer } from "./tokenizer.ts";

export interface Gpt2Files {
  /** Text of encoder.json. */
  readonly encoder: string;
  /** Text of vocab.bpe. */
  readonly merges: string;
}

const END_OF_TEXT = "<|endoftext|>";

/** Throws FormatError, and nothing else, for files that are not these or do not fit together. */
export async function parseGpt2Files(
  files: Gpt2Files,
  options: CreateTokenizerOptions = {},
): Promise<DirectTokenizer> {
  return createTokenizer(parseGpt2Definition(files), options);
}

export function parseGpt2Definition({ encoder, merges }: Gpt2Files): TokenizerDefinition {
  const idOf = readVocab(parseJsonObject(encoder, "encoder.json"));
  const lines = merges.split("\n").map((line) => line.replace(/\r$/, ""));
  if (lines[0]?.startsWith("#version") !== true) {
    throw new FormatError(
      'Expected vocab.bpe to begin with a line "#version: 0.2", got ' +
        `${JSON.stringify((lines[0] ?? "").slice(0, 80))}.`,
    );
  }
  const end = idOf.get(END_OF_TEXT);
  const addedTokens = end === undefined ? [] : [{ id: end, text: END_OF_TEXT, special: true }];
  return {
    tokens: tokensById(idOf, []),
    merges: readMerges(
      lines.slice(1).filter((line) => line !== ""),
      idOf,
    ),
    splits: [GPT2_SPLIT],
    addedTokens,
  };
}
