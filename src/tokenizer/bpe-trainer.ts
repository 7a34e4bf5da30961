/**
 * Learns a byte-level BPE vocabulary: 256 bytes, then merges of the most frequent neighbouring
 * pair, then special tokens. Counts are kept for unique pieces only and updated where a merge
 * changed something, so a merge costs its number of occurrences, not the size of the text.
 *
 * Deterministic: among equally frequent pairs the one with the lower ids merges first, so the
 * result depends on the multiset of pieces alone, not on their order. Knows no file format.
 */
import { InvalidConfigError } from "../errors.ts";
import { alphabetChar, bytesInAlphabetOrder } from "./byte-alphabet.ts";
import type { AddedToken, TokenizerDefinition } from "./definition.ts";
import { MergeState } from "./merge-state.ts";
import { countPieces } from "./piece-counts.ts";
import type { PieceCounts } from "./piece-counts.ts";
import { DEFAULT_SPLIT } from "./pretokenize.ts";

export const DEFAULT_SPECIAL_TOKENS: readonly string[] = ["<|endoftext|>"];

export interface TrainProgress {
  readonly phase: "count" | "merge";
  /** Characters of text counted so far, or tokens learnt so far. */
  readonly done: number;
  /** Tokens to learn; 0 while counting, where the end is not known. */
  readonly total: number;
}

export interface TrainBpeOptions {
  /** Size of the finished vocabulary: bytes, merges and special tokens together. */
  readonly vocabSize: number;
  /** They take the last ids, in this order. Default: `<|endoftext|>` alone. */
  readonly specialTokens?: readonly string[];
  /** Patterns that cut text into pieces, see `pretokenize.ts`. */
  readonly splits?: readonly string[];
  readonly onProgress?: (progress: TrainProgress) => void;
}

/**
 * The vocabulary may come out smaller than asked for when the text has too few repeated pairs;
 * `tokens.length` says. Special tokens written in the text are counted as plain text.
 */
export async function trainBpe(
  texts: Iterable<string> | AsyncIterable<string>,
  options: TrainBpeOptions,
): Promise<TokenizerDefinition> {
  const {
    vocabSize,
    specialTokens = DEFAULT_SPECIAL_TOKENS,
    splits = [DEFAULT_SPLIT],
    onProgress,
  } = options;
  checkSizes(vocabSize, specialTokens);
  const counts = await countPieces(texts, {
    splits,
    onProgress: (done) => onProgress?.({ phase: "count", done, total: 0 }),
  });
  const total = vocabSize - specialTokens.length;
  const { tokens, merges } = learnMerges(counts, {
    numTokens: total,
    onProgress: (done) => onProgress?.({ phase: "merge", done, total }),
  });
  const addedTokens: AddedToken[] = [];
  for (const text of specialTokens) {
    if (tokens.includes(text)) {
      throw new InvalidConfigError(
        `The special token ${JSON.stringify(text)} came out as an ordinary token of this text too; ` +
          "choose a spelling that the text does not contain.",
      );
    }
    addedTokens.push({ id: tokens.length, text, special: true });
    tokens.push(text);
  }
  return { tokens, merges, splits, addedTokens };
}

function checkSizes(vocabSize: number, specialTokens: readonly string[]): void {
  const smallest = 256 + specialTokens.length;
  if (!Number.isInteger(vocabSize) || vocabSize < smallest || vocabSize > 1_000_000) {
    throw new InvalidConfigError(
      `Expected a vocabulary of ${smallest} (256 bytes and ${specialTokens.length} special tokens) ` +
        `to 1,000,000 entries, got ${vocabSize}.`,
    );
  }
  for (const [index, token] of specialTokens.entries()) {
    if (token.length < 2 || specialTokens.indexOf(token) !== index) {
      throw new InvalidConfigError(
        "Expected special tokens that differ and have at least two characters, got " +
          `${JSON.stringify(specialTokens)}.`,
      );
    }
  }
}

interface LearnOptions {
  readonly numTokens: number;
  readonly onProgress?: (done: number) => void;
}

/** Byte tokens and the merges learnt; fewer than `numTokens` if nothing repeats any more. */
export function learnMerges(
  pieces: PieceCounts,
  { numTokens, onProgress }: LearnOptions,
): { tokens: string[]; merges: Int32Array } {
  const order = bytesInAlphabetOrder();
  const tokens = Array.from(order, alphabetChar);
  const byteIds = new Uint8Array(256);
  for (const [id, byte] of order.entries()) byteIds[byte] = id;
  const merges: number[] = [];
  const state = new MergeState(pieces, byteIds);
  while (tokens.length < numTokens) {
    const pair = state.popMostFrequent();
    if (pair < 0) break;
    const left = state.leftOf(pair);
    const right = state.rightOf(pair);
    // Always a new spelling: what happens between two borders that no merge has crossed depends on the
    // bytes between them alone, so equal stretches have been merged by the same pairs.
    const id = tokens.push(`${tokens[left]}${tokens[right]}`) - 1;
    merges.push(left, right);
    state.merge(pair, id);
    if (tokens.length % 64 === 0) onProgress?.(tokens.length);
  }
  onProgress?.(tokens.length);
  return { tokens, merges: Int32Array.from(merges) };
}
