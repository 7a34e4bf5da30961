/**
 * Slots 0..capacity-1 in the order of their last use: a doubly linked list in two flat arrays, so that a
 * million slots make no garbage. Knows nothing of what a slot holds.
 */

export class RecencyList {
  readonly capacity: number;
  /** The links; entry `capacity` is the head (next: most recently used, previous: least recently used). */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#next = new Int32Array(capacity + 1);
    this.#previous = new Int32Array(capacity + 1);
    this.#next[capacity] = capacity;
    this.#previous[capacity] = capacity;
  }

  /** The least recently used slot, or `capacity` if the list is empty. */
  get oldest(): number {
    return this.#previous[this.capacity]!;
  }

  /** The slot that was used next after `slot`, or `capacity` after the last. */
  younger(slot: number): number {
    return this.#previous[slot]!;
  }

  /** Adds a slot as the most recently used one. It must not be in the list. */
  add(slot: number): void {
    const head = this.capacity;
    const first = this.#next[head]!;
    this.#next[slot] = first;
    this.#previous[slot] = head;
    this.#previous[first] = slot;
    this.#next[head] = slot;
  }

  remove(slot: number): void {
    const next = this.#next[slot]!;
    const previous = this.#previous[slot]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  /** Makes `slot`, which is in the list, the most recently used one. */
  touch(slot: number): void {
    if (this.#next[this.capacity] === slot) return;
    this.remove(slot);
    this.add(slot);
  }
}
