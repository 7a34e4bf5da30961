/**
 * Which rows are in which of a fixed number of slots, and the slots in LRU order on a few lists. An index by open
 * addressing and doubly linked lists, all in flat arrays, so that a million rows make no garbage. The fields of a
 * slot are next to each other, because in an array larger than the processor's caches each cache line costs a miss.
 * Knows nothing of bytes, stores or why a row has its slot.
 */

const NONE = -1;

/**
 * Fields of a slot: its row, the previous slot of its list, the next slot (with the number of the list in the high
 * bits).
 */
const FIELDS = 3;
const ROW = 0;
const NEXT = 1;
const PREVIOUS = 2;
const LIST_SHIFT = 29;
const SLOT_MASK = 2 ** LIST_SHIFT - 1;

export class RowSlots {
  readonly capacity: number;
  #size = 0;
  /** Hash table of slot + 1; 0 where free. At most half full. */
  readonly #index: Int32Array;
  readonly #shift: number;
  /**
   * The fields of each slot. Record `capacity + l` is the head of list l (next: most recently used, previous: least
   * recently used).
   */
  readonly #records: Int32Array;
  /** Free slots, linked through their next field. */
  #free = NONE;
  #fresh = 0;
  readonly #sizes: number[];

  constructor(capacity: number, { lists = 1 }: { lists?: number } = {}) {
    const bits = indexBits(capacity);
    this.capacity = capacity;
    this.#sizes = Array(lists).fill(0);
    this.#index = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
    this.#records = new Int32Array(FIELDS * (capacity + lists));
    for (let head = capacity; head < capacity + lists; head++)
      this.#records[FIELDS * head + NEXT] = this.#records[FIELDS * head + PREVIOUS] = head;
  }

  /** Bytes of the arrays for `capacity` slots. */
  static bytes(capacity: number, { lists = 1 }: { lists?: number } = {}): number {
    return 4 * (2 ** indexBits(capacity) + FIELDS * (capacity + lists));
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
      if (slot === NONE || this.rowAt(slot) === row) return slot;
    }
  }

  /** Number of rows on a list. */
  sizeOf(list: number): number {
    return this.#sizes[list]!;
  }

  listOf(slot: number): number {
    return this.#records[FIELDS * slot + PREVIOUS]! >>> LIST_SHIFT;
  }

  /** Makes `slot` the most recently used of its list, or moves it to another list. */
  touch(slot: number, list: number = this.listOf(slot)): void {
    if (this.#records[FIELDS * (this.capacity + list) + NEXT] === slot) return;
    this.#unlink(slot);
    this.#linkFirst(slot, list);
  }

  /** The least recently used slot of a list, which must not be empty. */
  oldest(list = 0): number {
    return this.#records[FIELDS * (this.capacity + list) + PREVIOUS]! & SLOT_MASK;
  }

  rowAt(slot: number): number {
    return this.#records[FIELDS * slot + ROW]! >>> 0;
  }

  /** Gives `row`, which has no slot, a free one. There must be one. */
  insert(row: number, list = 0): number {
    let slot = this.#free;
    if (slot === NONE) slot = this.#fresh++;
    else this.#free = this.#records[FIELDS * slot + NEXT]!;
    this.#records[FIELDS * slot + ROW] = row;
    const index = this.#index;
    const mask = index.length - 1;
    let at = this.#home(row);
    while (index[at] !== 0) at = (at + 1) & mask;
    index[at] = slot + 1;
    this.#linkFirst(slot, list);
    this.#size++;
    return slot;
  }

  /** Frees the slot of `row`; returns whether it had one. */
  remove(row: number): boolean {
    const index = this.#index;
    const mask = index.length - 1;
    let hole = this.#home(row);
    for (; ; hole = (hole + 1) & mask) {
      const slot = index[hole]! - 1;
      if (slot === NONE) return false;
      if (this.rowAt(slot) !== row) continue;
      this.#unlink(slot);
      this.#records[FIELDS * slot + NEXT] = this.#free;
      this.#free = slot;
      break;
    }
    this.#size--;
    // Entries behind the hole move up unless that would put them before their home (Knuth 6.4, R).
    for (let at = (hole + 1) & mask; index[at] !== 0; at = (at + 1) & mask) {
      const home = this.#home(this.rowAt(index[at]! - 1));
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
    const records = this.#records;
    const at = FIELDS * slot;
    const next = records[at + NEXT]!;
    const previous = records[at + PREVIOUS]!;
    this.#sizes[previous >>> LIST_SHIFT]!--;
    records[FIELDS * (previous & SLOT_MASK) + NEXT] = next;
    this.#setPrevious(next, previous & SLOT_MASK);
  }

  #linkFirst(slot: number, list: number): void {
    const records = this.#records;
    const at = FIELDS * slot;
    const head = this.capacity + list;
    const first = records[FIELDS * head + NEXT]!;
    this.#sizes[list]!++;
    records[at + NEXT] = first;
    records[at + PREVIOUS] = head | (list << LIST_SHIFT);
    this.#setPrevious(first, slot);
    records[FIELDS * head + NEXT] = slot;
  }

  /** Keeps the slot's list. */
  #setPrevious(slot: number, previous: number): void {
    const at = FIELDS * slot + PREVIOUS;
    this.#records[at] = (this.#records[at]! & ~SLOT_MASK) | previous;
  }
}

function indexBits(capacity: number): number {
  return Math.max(1, Math.ceil(Math.log2(2 * Math.max(1, capacity))));
}
