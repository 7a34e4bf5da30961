/**
 * Interpolated Kneser-Ney probabilities from counted rows. A context's row gives each successor (c - D) / total. The
 * rest goes to the context that is one id shorter. A context that never occurred passes everything on:
 *
 *     p_n(w) = max(c(w) - D_n, 0) / total + rest_n p_{n-1}(w)      rest_n = 1 - sum of the first terms
 *
 * down to all ids and then to 1 / V. With all successors listed rest_n is D_n distinct / total. (Kneser and Ney 1995,
 * interpolated as in Chen and Goodman 1999.) Knows rows and probabilities; not where rows are.
 */
import type { RowHead, RowScanner } from "./row-bytes.ts";

/** p_1 of every id [V]. */
export function unigramChances(unigrams: Uint32Array, discount: number): Float32Array {
  const vocabSize = unigrams.length;
  let total = 0;
  let distinct = 0;
  for (const count of unigrams) {
    total += count;
    if (count > 0) distinct++;
  }
  if (total === 0) return new Float32Array(vocabSize).fill(1 / vocabSize);
  const rest = (discount * distinct) / total / vocabSize;
  return Float32Array.from(unigrams, (count) => Math.max(count - discount, 0) / total + rest);
}

/** The parts of p_n of a row besides its successors: the factor of counts, and the share of shorter contexts. */
export interface RowChances {
  readonly discount: number;
  readonly total: number;
  readonly rest: number;
  readonly listed: number;
}

/** Reads a row's successors into the scanner. Returns the other parts of its p_n. */
export function rowChances(
  scanner: RowScanner,
  { bytes, head, discount }: { bytes: Uint8Array; head: RowHead; discount: number },
): RowChances {
  const { total, listed } = head;
  const sum = scanner.readSuccessors(bytes, head);
  return { discount, total, rest: (total - sum + discount * listed) / total, listed };
}
