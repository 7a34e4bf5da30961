/** GPT-2 as it was released, `encoder.json` and `vocab.bpe`, for tests against ids that others gave. */
import type { TokenizerDefinition } from "./definition.ts";
import { GPT2_SPLIT } from "./pretokenize.ts";
import { parseJsonObject, readMerges, readVocab, tokensById } from "./tokenizer-file.ts";

export function gpt2Definition(encoder: string, merges: string): TokenizerDefinition {
  const idOf = readVocab(parseJsonObject(encoder, "encoder.json"));
  const text = "<|endoftext|>";
  return {
    tokens: tokensById(idOf, []),
    // The first line is the version.
    merges: readMerges(merges.trimEnd().split("\n").slice(1), idOf),
    splits: [GPT2_SPLIT],
    addedTokens: [{ id: idOf.get(text)!, text, special: true }],
  };
}
