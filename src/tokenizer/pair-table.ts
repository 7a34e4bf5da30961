/**
 * A map from pairs of token ids to small non-negative integers: open addressing over Int32Arrays.
 * Both the trainer and the encoder spend most of their time here; a Map with composite keys costs
 * several times the memory and the time. Knows nothing of what the integers mean.
 */

export class PairTable {
  #left: Int32Array;
  #right: Int32Array;
  /** Value + 1; 0 is a free slot. */
  #slot: Int32Array;
  #mask: number;
  #size = 0;

  constructor(expectedPairs: number) {
    let capacity = 64;
    while (capacity < expectedPairs * 2) capacity *= 2;
    this.#left = new Int32Array(capacity);
    this.#right = new Int32Array(capacity);
    this.#slot = new Int32Array(capacity);
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** The pair's integer, or -1. */
  get(left: number, right: number): number {
    return this.#slot[this.#find(left, right)]! - 1;
  }

  /** Sets the pair's integer, replacing any it had. */
  set(left: number, right: number, value: number): void {
    if (this.#size * 2 > this.#mask) this.#grow();
    const at = this.#find(left, right);
    if (this.#slot[at] === 0) {
      this.#size++;
      this.#left[at] = left;
      this.#right[at] = right;
    }
    this.#slot[at] = value + 1;
  }

  /** Where the pair is, or the free slot where it would go. */
  #find(left: number, right: number): number {
    const lefts = this.#left;
    const rights = this.#right;
    const slots = this.#slot;
    const mask = this.#mask;
    let hash = Math.imul(left, 0x9e3779b1) + Math.imul(right, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let at = (hash ^ (hash >>> 13)) & mask;
    while (slots[at] !== 0 && (lefts[at] !== left || rights[at] !== right)) at = (at + 1) & mask;
    return at;
  }

  #grow(): void {
    const lefts = this.#left;
    const rights = this.#right;
    const slots = this.#slot;
    const capacity = slots.length * 2;
    this.#left = new Int32Array(capacity);
    this.#right = new Int32Array(capacity);
    this.#slot = new Int32Array(capacity);
    this.#mask = capacity - 1;
    for (let i = 0; i < slots.length; i++) {
      if (slots[i] === 0) continue;
      const at = this.#find(lefts[i]!, rights[i]!);
      this.#left[at] = lefts[i]!;
      this.#right[at] = rights[i]!;
      this.#slot[at] = slots[i]!;
    }
  }
}
