/**
 * The map of a table, and the cache of its rows. The map has a location (four bytes) for each row. The cache has a
 * fixed number of entries with the bytes of rows, their LRU order, and whether they were changed. A row may have
 * several parts (values, moment), which are read and written separately but cached together. Knows no files: a log
 * slot is only a number here.
 */
import { RamStore } from "../ram/ram.ts";
import { RecencyList } from "./recency-list.ts";

/**
 * Set in a location that is an entry of the cache; the other bits are its number. Otherwise the location is a log
 * slot, 0 for a row that was never written.
 */
const IN_MEMORY = 0x80000000;

const CLEAN = 0;
/** Changed since it was last given to the writer. */
const DIRTY = 1;
/** Given to the writer, not yet written. */
const WRITING = 2;

export interface RecordCacheOptions {
  readonly numRows: number;
  readonly partBytes: readonly number[];
  readonly capacity: number;
}

export class RecordCache {
  readonly capacity: number;
  parts: readonly RamStore[];
  /** The location of each row. When resuming, the map of the checkpoint is written here before the first use. */
  readonly locations: Uint32Array;
  #homes: Uint32Array;
  #rows: Uint32Array;
  readonly #states: Uint8Array;
  #order: RecencyList;
  readonly #free: Uint32Array;
  #numFree: number;
  #numDirty = 0;
  #entries: Uint32Array = new Uint32Array(0);

  constructor({ numRows, partBytes, capacity }: RecordCacheOptions) {
    this.capacity = capacity;
    this.parts = partBytes.map((rowBytes) => new RamStore({ numRows: capacity, rowBytes }));
    this.locations = new Uint32Array(numRows);
    this.#homes = new Uint32Array(capacity);
    this.#rows = new Uint32Array(capacity);
    this.#states = new Uint8Array(capacity);
    this.#order = new RecencyList(capacity);
    this.#free = Uint32Array.from({ length: capacity }, (_, i) => capacity - 1 - i);
    this.#numFree = capacity;
  }

  /** Bytes of a cached row besides its own: log slot, row, state, two links, free list. */
  static readonly extraBytes: number = 4 + 4 + 1 + 8 + 4;

  get numFree(): number {
    return this.#numFree;
  }

  get numDirty(): number {
    return this.#numDirty;
  }

  isInMemory(row: number): boolean {
    return this.locations[row]! >= IN_MEMORY;
  }

  /** The log slot of a row's newest record, for the map of a checkpoint after a flush. */
  logSlotOf(row: number): number {
    const location = this.locations[row]!;
    return location >= IN_MEMORY ? this.#homes[location - IN_MEMORY]! : location;
  }

  /**
   * The entries of `rows`, which become the most recently used ones; undefined if one of them is not in memory. Valid
   * until the next call.
   */
  locate(rows: Uint32Array): Uint32Array | undefined {
    if (this.#entries.length < rows.length) this.#entries = new Uint32Array(rows.length);
    const entries = this.#entries.subarray(0, rows.length);
    const { locations } = this;
    for (let i = 0; i < rows.length; i++) {
      const location = locations[rows[i]!]!;
      if (location < IN_MEMORY) return undefined;
      entries[i] = location - IN_MEMORY;
    }
    for (let i = 0; i < entries.length; i++) this.#order.touch(entries[i]!);
    return entries;
  }

  /** Makes a row the most recently used one, if it is in memory; returns whether it is. */
  touch(row: number): boolean {
    const location = this.locations[row]!;
    if (location < IN_MEMORY) return false;
    this.#order.touch(location - IN_MEMORY);
    return true;
  }

  /** Gives a row that is not in memory a free entry, marked unchanged. There must be one. Its bytes are undefined. */
  insert(row: number): number {
    const entry = this.#free[--this.#numFree]!;
    this.#homes[entry] = this.locations[row]!;
    this.#rows[entry] = row;
    this.#states[entry] = CLEAN;
    this.locations[row] = IN_MEMORY + entry;
    this.#order.add(entry);
    return entry;
  }

  /**
   * Evicts rows among the `within` least recently used ones until `count` entries are free. Skips rows that are not
   * yet in the log; returns whether it succeeded.
   */
  evict(count: number, within: number): boolean {
    let entry = this.#order.oldest;
    for (let seen = 0; seen < within && entry !== this.capacity; seen++) {
      if (this.#numFree >= count) return true;
      const younger = this.#order.younger(entry);
      if (this.#states[entry] === CLEAN) {
        this.locations[this.#rows[entry]!] = this.#homes[entry]!;
        this.#order.remove(entry);
        this.#free[this.#numFree++] = entry;
      }
      entry = younger;
    }
    return this.#numFree >= count;
  }

  markDirty(entries: Uint32Array): void {
    for (let i = 0; i < entries.length; i++) this.#setDirty(entries[i]!);
  }

  /**
   * Marks the row to be written again, because the record in `slot` has to move. Does nothing if a newer version will
   * be written anyway.
   */
  rewrite(row: number): void {
    this.#setDirty(this.locations[row]! - IN_MEMORY);
  }

  #setDirty(entry: number): void {
    const state = this.#states[entry]!;
    if ((state & DIRTY) !== 0) return;
    this.#states[entry] = state | DIRTY;
    this.#numDirty++;
  }

  /** Changed entries among the `within` least recently used ones, oldest first, at most `into.length`. */
  collectDirty(within: number, into: Uint32Array): number {
    let count = 0;
    let entry = this.#order.oldest;
    for (let seen = 0; seen < within && entry !== this.capacity && count < into.length; seen++) {
      if (this.#states[entry] === DIRTY) into[count++] = entry;
      entry = this.#order.younger(entry);
    }
    return count;
  }

  rowIn(entry: number): number {
    return this.#rows[entry]!;
  }

  /** The rows in these entries are now being written. */
  beginWriting(entries: Uint32Array): void {
    for (let i = 0; i < entries.length; i++) this.#states[entries[i]!] = WRITING;
    this.#numDirty -= entries.length;
  }

  /** The row in `entry` is in the log, in `slot`. Returns the slot of the version before, or 0. */
  endWriting(entry: number, slot: number): number {
    const before = this.#homes[entry]!;
    this.#homes[entry] = slot;
    this.#states[entry]! &= ~WRITING;
    return before;
  }

  /** The write failed: the rows are marked as changed again. */
  abandonWriting(entries: Uint32Array): void {
    for (let i = 0; i < entries.length; i++) {
      this.#states[entries[i]!]! &= ~WRITING;
      this.#setDirty(entries[i]!);
    }
  }

  /** The row's record was copied to `slot`. */
  relocate(row: number, slot: number): void {
    const location = this.locations[row]!;
    if (location >= IN_MEMORY) this.#homes[location - IN_MEMORY] = slot;
    else this.locations[row] = slot;
  }

  /** Frees the memory of all rows, none of which may be changed. The map stays. */
  release(): void {
    this.evict(this.capacity, this.capacity);
    this.parts = [];
    this.#homes = this.#rows = this.#entries = new Uint32Array(0);
    this.#order = new RecencyList(0);
    this.#numFree = 0;
  }
}
