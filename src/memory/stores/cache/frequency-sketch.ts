/**
 * How often rows were asked for lately, roughly and in little room: four small counters a row, shared
 * with other rows, of which the smallest is believed (a count-min sketch); all are halved now and then,
 * so that what was hot last week does not stay so. An estimate is never too low but for the halving.
 * This is TinyLFU's memory (Einziger, Friedman, Manes: arXiv 1512.00727). The four of a row lie in two blocks
 * of 64 bytes, so that counting is two accesses to main memory and not four; one block would count worse. Knows nothing of caches.
 */

const MAX_COUNT = 255;
/** Halve after this many uses for each row the cache can hold; the paper uses 8 to 10. */
const USES_PER_ROW = 10;
/** Counters are shared by more rows where there are fewer; this many, at a byte each, beside rows of 64 bytes. */
const COUNTERS_PER_ROW = 4;

export class FrequencySketch {
  readonly #counters: Uint8Array;
  readonly #numBlocks: number;
  readonly #period: number;
  readonly #places = new Uint32Array(COUNTERS);
  #uses = 0;

  /** For a cache of `capacity` rows. */
  constructor(capacity: number) {
    this.#counters = new Uint8Array(FrequencySketch.bytes(capacity));
    this.#numBlocks = this.#counters.length / BLOCK;
    this.#period = USES_PER_ROW * Math.max(1, capacity);
  }

  static bytes(capacity: number): number {
    return BLOCK * Math.max(1, Math.ceil((COUNTERS_PER_ROW * capacity) / BLOCK));
  }

  /** Counts `times` uses of `row`. Only the smallest of its counters grow (conservative update). */
  add(row: number, times = 1): void {
    const counters = this.#counters;
    const places = this.#placesOf(row);
    const target = Math.min(MAX_COUNT, this.#least(places) + times);
    for (let i = 0; i < places.length; i++)
      if (counters[places[i]!]! < target) counters[places[i]!] = target;
    // Seeding with large counts is not the passing of time.
    if (times === 1 && ++this.#uses >= this.#period) this.#halve();
  }

  estimate(row: number): number {
    return this.#least(this.#placesOf(row));
  }

  #least(places: Uint32Array): number {
    let least = MAX_COUNT;
    for (let i = 0; i < places.length; i++) {
      const count = this.#counters[places[i]!]!;
      if (count < least) least = count;
    }
    return least;
  }

  /** A row's counters, two in each of two blocks; valid until the next call. */
  #placesOf(row: number): Uint32Array {
    const places = this.#places;
    let hash = row;
    for (let i = 0; i < places.length; i += 2) {
      hash = mixed(hash, i);
      // High bits choose the block, as a share of the blocks, of which there need not be a power of two.
      const block = BLOCK * Math.floor(((hash >>> 0) / 2 ** 32) * this.#numBlocks);
      // Others choose within each half of it.
      const bits = Math.imul(hash ^ (hash >>> 15), 0x9e3779b1);
      places[i] = block + (bits & (HALF - 1));
      places[i + 1] = block + HALF + ((bits >>> 8) & (HALF - 1));
    }
    return places;
  }

  #halve(): void {
    this.#uses = Math.floor(this.#uses / 2);
    for (let i = 0; i < this.#counters.length; i++) this.#counters[i]! >>>= 1;
  }
}

const COUNTERS = 4;
const BLOCK = 64;
const HALF = BLOCK / 2;

/** Neighbouring rows far apart: two rounds of multiply and shift. */
function mixed(row: number, salt: number): number {
  const once = Math.imul(row ^ (row >>> 16) ^ salt, 0x85ebca6b);
  return Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
}
