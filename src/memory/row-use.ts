/**
 * How often each row of a table was asked for, in one byte a row: what training learns about the language for the
 * caches of whoever runs the model later. Knows rows by number; not what they hold, nor where counts are kept.
 *
 * A byte counts exactly to 32; above that it stands for a power of 2^(1/8) and grows by chance, so that the count it
 * stands for is right on average (Morris counting: Morris 1978; Flajolet 1985). The chance comes from the count's own
 * past and the row, not from a clock: the same reads give the same bytes. 255 stands for 7.7 thousand million.
 */

/** Codes up to here are counts. */
const EXACT = 32;
const STEPS_PER_DOUBLING = 8;

/** The number of uses that a code stands for. */
export function countOfCode(code: number): number {
  return code <= EXACT ? code : EXACT * 2 ** ((code - EXACT) / STEPS_PER_DOUBLING);
}

/** Chance of a step up from each code, of 2^32: the reciprocal of how far the next one is. */
const CHANCES = Float64Array.from({ length: 256 }, (_, code) =>
  code < EXACT ? 2 ** 32 : 2 ** 32 / (countOfCode(code + 1) - countOfCode(code)),
);

export class RowUse {
  readonly codes: Uint8Array;
  /** Advances with every use, so that a row's next chance is another one. */
  #clock: number;

  /** `codes` of an earlier run go on where they were, `clock` with them. */
  constructor(numRows: number, { codes, clock = 0 }: { codes?: Uint8Array; clock?: number } = {}) {
    this.codes = codes ?? new Uint8Array(numRows);
    this.#clock = clock;
  }

  get clock(): number {
    return this.#clock;
  }

  /** Counts one use of each of `rows`; repeats count. */
  add(rows: Uint32Array): void {
    const { codes } = this;
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!;
      const code = codes[row]!;
      this.#clock = (this.#clock + 1) >>> 0;
      if (code === 255) continue;
      if (code < EXACT || scrambled(row, this.#clock) < CHANCES[code]!) codes[row] = code + 1;
    }
  }
}

/** 32 bits that look random: two rounds of multiply and fold (the finalizer of MurmurHash3). */
function scrambled(row: number, clock: number): number {
  let h = Math.imul(row, 0x9e3779b1) ^ clock;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The `most` rows used most often, most used first, and their counts: what `CachedStore.warm` takes. */
export function hottestRows(
  { codes }: Pick<RowUse, "codes">,
  most: number,
): { rows: Uint32Array; counts: Uint32Array } {
  // Codes have 256 values: a count of each says where every code's rows begin.
  const sizes = new Float64Array(257);
  for (const code of codes) sizes[code]!++;
  let least = 256;
  let taken = 0;
  while (least > 1 && taken < most) taken += sizes[--least]!;
  const length = Math.min(most, taken);
  const begins = new Float64Array(257);
  for (let code = 254; code >= least; code--) begins[code] = begins[code + 1]! + sizes[code + 1]!;
  const rows = new Uint32Array(length);
  const counts = new Uint32Array(length);
  for (let row = 0; row < codes.length; row++) {
    const code = codes[row]!;
    if (code < least) continue;
    const at = begins[code]!++;
    // Of the rows with the least code, only the first fit.
    if (at >= length) continue;
    rows[at] = row;
    counts[at] = Math.min(2 ** 32 - 1, Math.round(countOfCode(code)));
  }
  return { rows, counts };
}
