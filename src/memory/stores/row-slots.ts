/**
 * Which rows sit in which of a fixed number of slots, and which of them was used longest ago: an index by
 * open addressing and a doubly linked list, both in flat arrays, so that a million rows make no garbage.
 * Knows nothing of bytes, stores or why a row deserves its slot.
 */

const NONE = -1;

export class RowSlots {
  readonly capacity: number;
  #size = 0;
  /** Slot + 1 of a row near where its hash points, 0 where free. At most half full. */
  readonly #index: Int32Array;
  readonly #shift: number;
  readonly #rows: Uint32Array;
  /** The list's links; entry `capacity` is its head (next: used last, previous: used longest ago). */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Slots given back, chained through `#next`. */
  #free = NONE;
  #fresh = 0;

  constructor(capacity: number) {
    const bits = indexBits(capacity);
    this.capacity = capacity;
    this.#index = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
    this.#rows = new Uint32Array(capacity);
    this.#next = new Int32Array(capacity + 1).fill(capacity);
    this.#previous = new Int32Array(capacity + 1).fill(capacity);
  }

  /** What the arrays of so many slots take. */
  static bytes(capacity: number): number {
    return 4 * (2 ** indexBits(capacity) + 3 * capacity + 2);
  }

  get size(): number {
    return this.#size;
  }

  get isFull(): boolean {
    return this.#size === this.capacity;
  }

  /** The slot of `row`, or -1. */
  find(row: number): number {
    const index = this.#index;
    const mask = index.length - 1;
    for (let at = this.#home(row); ; at = (at + 1) & mask) {
      const slot = index[at]! - 1;
      if (slot === NONE || this.#rows[slot] === row) return slot;
    }
  }

  /** Notes that `slot` was used just now. */
  touch(slot: number): void {
    if (this.#next[this.capacity] === slot) return;
    this.#unlink(slot);
    this.#linkFirst(slot);
  }

  /** The row used longest ago. Only where there is one. */
  get oldest(): number {
    return this.#rows[this.#previous[this.capacity]!]!;
  }

  /** Gives `row`, which has no slot yet, a free one. There must be one. */
  insert(row: number): number {
    let slot = this.#free;
    if (slot === NONE) slot = this.#fresh++;
    else this.#free = this.#next[slot]!;
    this.#rows[slot] = row;
    const index = this.#index;
    const mask = index.length - 1;
    let at = this.#home(row);
    while (index[at] !== 0) at = (at + 1) & mask;
    index[at] = slot + 1;
    this.#linkFirst(slot);
    this.#size++;
    return slot;
  }

  /** Frees the slot of `row`; says whether it had one. */
  remove(row: number): boolean {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = this.#home(row);
    for (; ; hole = (hole + 1) & mask) {
      const slot = index[hole]! - 1;
      if (slot === NONE) return false;
      if (this.#rows[slot] !== row) continue;
      this.#unlink(slot);
      this.#next[slot] = this.#free;
      this.#free = slot;
      break;
    }
    this.#size--;
    // Entries behind the hole move up unless that would put them before their home (Knuth 6.4, R).
    for (let at = (hole + 1) & mask; index[at] !== 0; at = (at + 1) & mask) {
      const home = this.#home(this.#rows[index[at]! - 1]!);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      index[hole] = index[at]!;
      hole = at;
    }
    index[hole] = 0;
    return true;
  }

  #home(row: number): number {
    return Math.imul(row, 0x9e3779b1) >>> this.#shift;
  }

  #unlink(slot: number): void {
    const next = this.#next[slot]!;
    const previous = this.#previous[slot]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #linkFirst(slot: number): void {
    const head = this.capacity;
    const first = this.#next[head]!;
    this.#next[slot] = first;
    this.#previous[slot] = head;
    this.#previous[first] = slot;
    this.#next[head] = slot;
  }
}

function indexBits(capacity: number): number {
  return Math.max(1, Math.ceil(Math.log2(2 * Math.max(1, capacity))));
}
