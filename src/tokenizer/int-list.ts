/**
 * A growable list of 32-bit integers. Knows nothing of what they are.
 */
const MAX_KEPT: number = 1 << 20;

export class IntList {
  #items: Int32Array;
  #length = 0;

  constructor(capacity: number) {
    this.#items = new Int32Array(Math.max(capacity, 1));
  }

  get length(): number {
    return this.#length;
  }

  /** The index must be below `length`. */
  at(index: number): number {
    return this.#items[index]!;
  }

  /** The index must be below `length`. */
  set(index: number, value: number): void {
    this.#items[index] = value;
  }

  /** Appends and returns the index. */
  push(value: number): number {
    if (this.#length === this.#items.length) this.#grow(1);
    this.#items[this.#length] = value;
    return this.#length++;
  }

  append(values: Int32Array): void {
    if (this.#length + values.length > this.#items.length) this.#grow(values.length);
    this.#items.set(values, this.#length);
    this.#length += values.length;
  }

  /** Empties the list, and gives back the memory of an unusually long one. */
  clear(): void {
    this.#length = 0;
    if (this.#items.length > MAX_KEPT) this.#items = new Int32Array(MAX_KEPT);
  }

  toArray(): Int32Array {
    return this.#items.slice(0, this.#length);
  }

  #grow(room: number): void {
    const grown = new Int32Array((this.#length + room) * 2);
    grown.set(this.#items.subarray(0, this.#length));
    this.#items = grown;
  }
}
