/**
 * The exact index of n-grams of one length: they are numbered 0, 1, 2 … as they are added. The key of an n-gram is
 * the number of its suffix, one id shorter, and the first id. It has 53 bits, whatever the length. Open addressing in
 * typed arrays takes a tenth of the memory of a Map, which matters for millions of n-grams.
 */
import { InvariantError } from "../errors.ts";

const free = -1;

export class NgramIndex {
  readonly #span: number;
  #keys = new Float64Array(1024).fill(free);
  #values = new Uint32Array(1024);
  #size = 0;

  /** Ids are below `vocabSize`. */
  constructor(vocabSize: number) {
    this.#span = vocabSize;
  }

  get size(): number {
    return this.#size;
  }

  /** The number of the n-gram that begins with `id` and whose suffix, one id shorter, has the number `suffix`. */
  find(suffix: number, id: number): number | undefined {
    const key = suffix * this.#span + id;
    const slot = this.#slot(key);
    return this.#keys[slot] === key ? this.#values[slot] : undefined;
  }

  /** As `find`, but adds the n-gram if it is new. */
  intern(suffix: number, id: number): number {
    const key = suffix * this.#span + id;
    if (key > Number.MAX_SAFE_INTEGER)
      throw new InvariantError(`the n-gram of suffix ${suffix} and id ${id} has no exact key`);
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
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (key === free) continue;
      const slot = this.#slot(key);
      this.#keys[slot] = key;
      this.#values[slot] = values[i]!;
    }
  }
}
