/**
 * Which rows sit in which of a fixed number of slots, on which of a few lists, and which row of a list was used
 * longest ago: an index by open addressing and doubly linked lists, all in flat arrays, so that a million rows make
 * no garbage. Knows nothing of bytes, stores or why a row deserves its slot.
 */

const NONE = -1;

export class RowSlots {
  readonly capacity: number;
  #size = 0;
  /** Slot + 1 of a row near where its hash points, 0 where free. At most half full. */
  readonly #index: Int32Array;
  readonly #shift: number;
  readonly #rows: Uint32Array;
  /** The lists' links; entry `capacity + l` is the head of list l (next: used last, previous: used longest ago). */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Slots given back, chained through `#next`. */
  #free = NONE;
  #fresh = 0;
  /** Of each slot, where there is more than one list. */
  readonly #lists: Uint8Array | undefined;
  readonly #sizes: number[];

  constructor(capacity: number, { lists = 1 }: { lists?: number } = {}) {
    const bits = indexBits(capacity);
    this.capacity = capacity;
    this.#lists = lists > 1 ? new Uint8Array(capacity) : undefined;
    this.#sizes = Array(lists).fill(0);
    this.#index = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
    this.#rows = new Uint32Array(capacity);
    this.#next = new Int32Array(capacity + lists);
    this.#previous = new Int32Array(capacity + lists);
    for (let head = capacity; head < capacity + lists; head++)
      this.#next[head] = this.#previous[head] = head;
  }

  /** What the arrays of so many slots take. */
  static bytes(capacity: number, { lists = 1 }: { lists?: number } = {}): number {
    return 4 * (2 ** indexBits(capacity) + 3 * capacity + 2 * lists) + (lists > 1 ? capacity : 0);
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

  /** Rows on a list. */
  sizeOf(list: number): number {
    return this.#sizes[list]!;
  }

  listOf(slot: number): number {
    return this.#lists?.[slot] ?? 0;
  }

  /** Notes that `slot` was used just now; it stays on its list unless another is named. */
  touch(slot: number, list: number = this.listOf(slot)): void {
    if (this.#next[this.capacity + list] === slot) return;
    this.#unlink(slot);
    this.#linkFirst(slot, list);
  }

  /** The slot of a list that was used longest ago. Only where there is one. */
  oldest(list = 0): number {
    return this.#previous[this.capacity + list]!;
  }

  rowAt(slot: number): number {
    return this.#rows[slot]!;
  }

  /** Gives `row`, which has no slot yet, a free one. There must be one. */
  insert(row: number, list = 0): number {
    let slot = this.#free;
    if (slot === NONE) slot = this.#fresh++;
    else this.#free = this.#next[slot]!;
    this.#rows[slot] = row;
    const index = this.#index;
    const mask = index.length - 1;
    let at = this.#home(row);
    while (index[at] !== 0) at = (at + 1) & mask;
    index[at] = slot + 1;
    this.#linkFirst(slot, list);
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
    this.#sizes[this.listOf(slot)]!--;
    const next = this.#next[slot]!;
    const previous = this.#previous[slot]!;
    this.#next[previous] = next;
    this.#previous[next] = previous;
  }

  #linkFirst(slot: number, list: number): void {
    this.#sizes[list]!++;
    if (this.#lists !== undefined) this.#lists[slot] = list;
    const head = this.capacity + list;
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
