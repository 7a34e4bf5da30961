/**
 * How often each row of a table was read in training, in one byte a row. Caches are warmed with it when the model is
 * run. Knows rows by number and codes by byte; not what rows hold, nor where codes are kept (any store with rows of
 * one byte).
 *
 * Codes up to 32 are exact counts. Above, each code stands for 2^(1/8) times the count of the one before, and a use
 * increments the code with a probability that makes the count right on average (Morris, CACM 21, 1978). The random
 * numbers depend on row, turn and position in the batch only, so the same batches give the same codes, resumed or
 * not. 255 stands for about 8 thousand million.
 */

/** Bytes of a code. The codes of a table are a store with rows of this size. */
export const USE_CODE_BYTES = 1;

/** Codes up to here are counts. */
const EXACT = 32;
const STEPS_PER_DOUBLING = 8;
const MAX_CODE = 255;

/** The number of uses that a code stands for. */
export function countOfCode(code: number): number {
  return code <= EXACT ? code : EXACT * 2 ** ((code - EXACT) / STEPS_PER_DOUBLING);
}

/** Probability of an increment from each code, times 2^32: the reciprocal of the distance to the next count. */
const CHANCES = Float64Array.from({ length: MAX_CODE }, (_, code) =>
  code < EXACT ? 2 ** 32 : 2 ** 32 / (countOfCode(code + 1) - countOfCode(code)),
);

/** The uses of one batch: distinct rows, and for every use the index of its row among them. */
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

/** 32 pseudo-random bits: the finalizer of MurmurHash3 over the three numbers. */
function chance(row: number, turn: number, place: number): number {
  let h = Math.imul(row, 0x9e3779b1) ^ Math.imul(turn, 0x27d4eb2f) ^ place;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The codes of a whole table in row order, in pieces of any size. May be called again. */
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

/** Ends of the bands, as shares of the rows to return. */
const BANDS = [1 / 64, 1 / 16, 1 / 4, 1] as const;

/**
 * The `most` rows with the most uses, a slice at a time; of equal rows those with lower numbers. They come in bands:
 * the hottest sixty-fourth first, then up to the hottest sixteenth, and so on. Within a band they come in row order.
 * So the most useful rows are read early, and the disk seeks little. Reads the codes once for each band and once
 * before; holds one slice.
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
  /** Of the rows with the last code, only the first ones fit. */
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
