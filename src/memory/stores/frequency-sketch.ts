/**
 * How often rows were asked for lately, roughly and in little room: four small counters a row, shared
 * with other rows, of which the smallest is believed (a count-min sketch); all are halved now and then,
 * so that what was hot last week does not stay so. An estimate is never too low but for the halving.
 * This is TinyLFU's memory (Einziger, Friedman, Manes: arXiv 1512.00727). Knows nothing of caches.
 */

const MAX_COUNT = 255;
/** Halve after this many uses for each row the cache can hold; the paper uses 8 to 10. */
const USES_PER_ROW = 10;
/** Counters are shared by more rows where there are fewer; this many, at a byte each, beside rows of 64 bytes. */
const COUNTERS_PER_ROW = 4;

export class FrequencySketch {
  readonly #counters: Uint8Array;
  readonly #period: number;
  #uses = 0;

  /** For a cache of `capacity` rows. */
  constructor(capacity: number) {
    this.#counters = new Uint8Array(FrequencySketch.bytes(capacity));
    this.#period = USES_PER_ROW * Math.max(1, capacity);
  }

  static bytes(capacity: number): number {
    return Math.max(64, COUNTERS_PER_ROW * capacity);
  }

  /** Counts `times` uses of `row`. Only the smallest of its counters grow (conservative update). */
  add(row: number, times = 1): void {
    const counters = this.#counters;
    const target = Math.min(MAX_COUNT, this.estimate(row) + times);
    for (const factor of FACTORS) {
      const at = this.#place(row, factor);
      if (counters[at]! < target) counters[at] = target;
    }
    // Seeding with large counts is not the passing of time.
    if (times === 1 && ++this.#uses >= this.#period) this.#halve();
  }

  estimate(row: number): number {
    const counters = this.#counters;
    let least = MAX_COUNT;
    for (const factor of FACTORS) {
      const count = counters[this.#place(row, factor)]!;
      if (count < least) least = count;
    }
    return least;
  }

  #place(row: number, factor: number): number {
    // Row ids of one column are neighbours of nobody in particular, but ids of a table file's start are;
    // the xor keeps small ids from sharing high bits.
    const hash = Math.imul(row ^ (row >>> 15), factor) >>> 0;
    // From 32 bits to a share of the counters, of which there need not be a power of two.
    return Math.floor((hash / 2 ** 32) * this.#counters.length);
  }

  #halve(): void {
    this.#uses = Math.floor(this.#uses / 2);
    for (let i = 0; i < this.#counters.length; i++) this.#counters[i]! >>>= 1;
  }
}

/** Odd, far apart: multiplicative hashing, as in `RowDeduper`. */
const FACTORS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f] as const;
