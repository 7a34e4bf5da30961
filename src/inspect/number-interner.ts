/**
 * Pairs of whole numbers to numbers 0, 1, 2 … in the order in which they are first met. Open addressing in
 * typed arrays: a tenth of the memory of a Map, which millions of n-grams would feel.
 */
import { InvariantError } from "../errors.ts";

const free = -1;

export class NumberInterner {
  readonly #span: number;
  #keys = new Float64Array(1024).fill(free);
  #values = new Uint32Array(1024);
  #size = 0;

  /** Second numbers are below `span`. */
  constructor(span: number) {
    this.#span = span;
  }

  get size(): number {
    return this.#size;
  }

  /** The number of the pair; `size` before the call if it is new. */
  intern(a: number, b: number): number {
    const key = a * this.#span + b;
    if (key > Number.MAX_SAFE_INTEGER)
      throw new InvariantError(`the pair ${a}, ${b} has no exact key`);
    let slot = this.#slot(key);
    if (this.#keys[slot] === key) return this.#values[slot]!;
    if (2 * this.#size >= this.#keys.length) {
      this.#grow();
      slot = this.#slot(key);
    }
    this.#keys[slot] = key;
    this.#values[slot] = this.#size;
    return this.#size++;
  }

  /** The key's slot, or the free one where it belongs. */
  #slot(key: number): number {
    const mask = this.#keys.length - 1;
    const mixed = Math.imul(key >>> 0, 0x9e3779b1) ^ Math.imul((key / 2 ** 32) >>> 0, 0x85ebca6b);
    let slot = (mixed ^ (mixed >>> 15)) & mask;
    while (this.#keys[slot] !== free && this.#keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = new Float64Array(2 * keys.length).fill(free);
    this.#values = new Uint32Array(2 * keys.length);
    for (const [i, key] of keys.entries())
      if (key !== free) {
        const slot = this.#slot(key);
        this.#keys[slot] = key;
        this.#values[slot] = values[i]!;
      }
  }
}
