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

/** The codes of a whole table in the order of its rows, in pieces of any size; as often as wanted. */
export type UseCodes = () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** Rows with their counts: what `CachedStore.warm` takes. */
export interface HotRows {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
}

export interface HottestRowsOptions {
  /** How many rows. */
  readonly most: number;
  /** How many at a time. */
  readonly sliceRows: number;
}

/** Shares of the rows found after which the next band begins. */
const BANDS = [1 / 64, 1 / 16, 1 / 4, 1] as const;

/**
 * The `most` rows used most often (of equals those with lower numbers), a slice at a time: the hottest sixty-fourth
 * first, then the hottest sixteenth, and so on, and within such a band in the order they lie in, so that whoever
 * reads them has most of the good early and jumps little. Goes through the codes once for each band and once before;
 * holds one slice.
 */
export async function* hottestRows(
  codes: UseCodes,
  { most, sliceRows }: HottestRowsOptions,
): AsyncGenerator<HotRows, void, undefined> {
  const sizes = new Float64Array(MAX_CODE + 1);
  for await (const piece of codes()) for (const code of piece) sizes[code]!++;
  let found = 0;
  let last = MAX_CODE + 1;
  while (last > 1 && found < most) found += sizes[--last]!;
  /** Of the rows with the last code only the first fit. */
  let leftOfLast = sizes[last]! - Math.max(0, found - most);
  found = 0;
  let below = MAX_CODE + 1;
  for (const share of BANDS) {
    let least = below;
    while (least > last && found < share * most) found += sizes[--least]!;
    if (least === below) continue;
    let rows: number[] = [];
    let counts: number[] = [];
    let first = 0;
    for await (const piece of codes()) {
      for (let i = 0; i < piece.length; i++) {
        const code = piece[i]!;
        if (code < least || code >= below) continue;
        if (code === last && leftOfLast-- <= 0) continue;
        rows.push(first + i);
        counts.push(Math.min(2 ** 32 - 1, Math.round(countOfCode(code))));
        if (rows.length < sliceRows) continue;
        yield { rows: Uint32Array.from(rows), counts: Uint32Array.from(counts) };
        rows = [];
        counts = [];
      }
      first += piece.length;
    }
    if (rows.length > 0) yield { rows: Uint32Array.from(rows), counts: Uint32Array.from(counts) };
    below = least;
  }
}
