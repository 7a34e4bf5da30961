/** What the ids of a vocabulary mean, as bytes to be summed: facts are written in ids. Sums nothing. */
import { joinedBytes } from "../bytes/index.ts";
import type { Vocabulary } from "../tokenizer/index.ts";

/** Tokens at once: a part for each would be many small ones. */
const TOKENS = 4096;

/** The bytes of all tokens, each behind its length. Their SHA-256 is a log's fingerprint. */
export function* vocabularyBytes(vocabulary: Vocabulary): Generator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  for (let first = 0; first < vocabulary.vocabSize; first += TOKENS) {
    const parts: Uint8Array[] = [];
    for (let id = first; id < Math.min(first + TOKENS, vocabulary.vocabSize); id++) {
      const bytes = vocabulary.tokenBytes(id);
      parts.push(encoder.encode(`${bytes.length} `), bytes);
    }
    yield joinedBytes(parts);
  }
}
