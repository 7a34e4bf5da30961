/**
 * Interpolated Kneser-Ney chances from counted rows. A context's row gives each successor (c - D) / total, and what
 * it keeps back goes to the context one id shorter; a context that was never met passes everything on:
 *
 *     p_n(w) = max(c(w) - D_n, 0) / total + rest_n p_{n-1}(w)      rest_n = 1 - sum of the first terms
 *
 * down to all ids and then to 1 / V. With all successors listed rest_n is D_n distinct / total. (Kneser and Ney 1995,
 * interpolated as in Chen and Goodman 1999.) Knows rows and chances; not where rows lie.
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

/** What p_n of one row is made of, beside its successors: a share of each count, and what goes to shorter contexts. */
export interface RowChances {
  readonly discount: number;
  readonly total: number;
  readonly rest: number;
  readonly listed: number;
}

/** Reads a row's successors into the scanner, and what their chances are made of. */
export function rowChances(
  scanner: RowScanner,
  { bytes, head, discount }: { bytes: Uint8Array; head: RowHead; discount: number },
): RowChances {
  const { total, listed } = head;
  const sum = scanner.readSuccessors(bytes, head);
  return { discount, total, rest: (total - sum + discount * listed) / total, listed };
}
