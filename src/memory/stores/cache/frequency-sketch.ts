/**
 * A count-min sketch of how often rows were read lately. A row has four small counters, which it shares with other
 * rows; the smallest is the estimate. Now and then all counters are halved, so that old uses fade. Apart from the
 * halving an estimate is never too low. This is the sketch of TinyLFU (Einziger, Friedman, Manes: arXiv 1512.00727).
 * The counters of a row are in two blocks of 64 bytes, so that counting takes two accesses to main memory and not
 * four. With one block the estimates would be worse. Knows nothing of caches.
 */

const MAX_COUNT = 255;
/** Halve after this many uses for each row the cache can hold; the paper uses 8 to 10. */
const USES_PER_ROW = 10;
/**
 * Counters for each row that the cache can hold, one byte each. With fewer counters, more rows share each of them.
 */
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
    // Counts from warming do not let old uses fade.
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

  /** Indices of a row's counters, two in each of two blocks. Valid until the next call. */
  #placesOf(row: number): Uint32Array {
    const places = this.#places;
    let hash = row;
    for (let i = 0; i < places.length; i += 2) {
      hash = mixed(hash, i);
      // The high bits choose the block, by multiplication: the number of blocks need not be a power of two.
      const block = BLOCK * Math.floor(((hash >>> 0) / 2 ** 32) * this.#numBlocks);
      // Other bits choose a counter in each half of the block.
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

/** Two rounds of multiply and shift, so that neighbouring rows get unrelated hashes. */
function mixed(row: number, salt: number): number {
  const once = Math.imul(row ^ (row >>> 16) ^ salt, 0x85ebca6b);
  return Math.imul(once ^ (once >>> 13), 0xc2b2ae35);
}
