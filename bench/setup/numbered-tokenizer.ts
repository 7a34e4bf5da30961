/**
 * A tokenizer without a vocabulary: every id is spelled as its number and a space. For benchmarks of
 * models with random weights, whose texts nobody reads.
 */
import type { Tokenizer } from "../../src/tokenizer/index.ts";

export function numberedTokenizer(vocabSize: number): Tokenizer {
  const encoder = new TextEncoder();
  const spell = (id: number): string => `${id} `;
  return {
    vocabSize,
    specialTokens: new Map(),
    eosTokenId: undefined,
    bounds: { startIds: [], stopIds: [], bosTokenId: undefined },
    encode: (text) => Int32Array.from(text.trim().split(" ").map(Number)),
    decode: (ids) => Array.from(ids, spell).join(""),
    rawToken: spell,
    tokenBytes: (id) => encoder.encode(spell(id)),
    stream: () => ({ push: spell, end: () => "" }),
  };
}
