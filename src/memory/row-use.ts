/**
 * How often each row of a table was asked for, in one byte a row: what training learns about the language for the
 * caches of whoever runs the model later. Knows rows by number and codes by byte; not what rows hold, nor where
 * codes are kept (any store of rows of one byte will do).
 *
 * A code counts exactly to 32; from there on each step stands for another 2^(1/8) and is taken by chance, so that
 * the count it stands for is right on average (Morris, CACM 21, 1978). Chance follows from the row, the turn and the
 * place in the batch, never from a clock: the same batches give the same codes, resumed or not. 255 stands for
 * about 8 thousand million.
 */

/** A table's codes are rows of so many bytes. */
export const USE_CODE_BYTES = 1;

/** Codes up to here are counts. */
const EXACT = 32;
const STEPS_PER_DOUBLING = 8;
const MAX_CODE = 255;

/** The number of uses that a code stands for. */
export function countOfCode(code: number): number {
  return code <= EXACT ? code : EXACT * 2 ** ((code - EXACT) / STEPS_PER_DOUBLING);
}

/** Chance of a step up from each code, of 2^32: the reciprocal of how far the next one is. */
const CHANCES = Float64Array.from({ length: MAX_CODE }, (_, code) =>
  code < EXACT ? 2 ** 32 : 2 ** 32 / (countOfCode(code + 1) - countOfCode(code)),
);

/** The uses of one batch: distinct rows, and for every use its row's place among them. */
export interface RowUses {
  readonly unique: Uint32Array;
  readonly index: Uint32Array;
  /** Number of the batch. */
  readonly turn: number;
}

/** Counts every use of a batch into `codes`, which are those of its distinct rows, in place. */
export function countUses(codes: Uint8Array, { unique, index, turn }: RowUses): void {
  for (let i = 0; i < index.length; i++) {
    const at = index[i]!;
    const code = codes[at]!;
    if (code < EXACT) codes[at] = code + 1;
    else if (code < MAX_CODE && chance(unique[at]!, turn, i) < CHANCES[code]!) codes[at] = code + 1;
  }
}

/** 32 bits that look random (the finalizer of MurmurHash3 over the three numbers). */
function chance(row: number, turn: number, place: number): number {
  let h = Math.imul(row, 0x9e3779b1) ^ Math.imul(turn, 0x27d4eb2f) ^ place;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Rows with their counts: what `CachedStore.warm` takes. */
export interface HotRows {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
}

/**
 * The `most` rows used most often, most used first; of equals those with lower numbers. `pieces` are the codes of the
 * whole table in order, and are gone through twice: no more is held than what is found.
 */
export async function hottestRows(
  pieces: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  most: number,
): Promise<HotRows> {
  const sizes = new Float64Array(MAX_CODE + 2);
  for await (const codes of pieces()) for (const code of codes) sizes[code]!++;
  let least = MAX_CODE + 1;
  let found = 0;
  while (least > 1 && found < most) found += sizes[--least]!;
  const length = Math.min(most, found);
  // Codes have 256 values: where each one's rows begin follows from how many rows have it.
  const ends = new Float64Array(MAX_CODE + 2);
  for (let code = MAX_CODE; code > least; code--) ends[code - 1] = ends[code]! + sizes[code]!;
  const rows = new Uint32Array(length);
  const counts = new Uint32Array(length);
  let first = 0;
  for await (const codes of pieces()) {
    for (const [i, code] of codes.entries()) {
      if (code < least) continue;
      const at = ends[code]!++;
      // Of those with the least code only the first fit.
      if (at >= length) continue;
      rows[at] = first + i;
      counts[at] = Math.min(2 ** 32 - 1, Math.round(countOfCode(code)));
    }
    first += codes.length;
  }
  return { rows, counts };
}
