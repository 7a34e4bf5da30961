/**
 * Where each row of a table is, and the rows that are in memory: a location a row (four bytes), and a fixed
 * number of places with the rows' bytes, the order of their use, and whether they were changed. A row may
 * have several parts (values, moment) that are read and written apart but travel together. Knows no files;
 * "log slot" is a number to it.
 */
import { RamStore } from "../ram/ram.ts";
import { RecencyList } from "./recency-list.ts";

/** Set in a location that means a place in memory; the rest is its number. Otherwise: a log slot, 0 for
 *  a row that was never written. */
const IN_MEMORY = 0x80000000;

const CLEAN = 0;
/** Changed since it was last handed to the log. */
const DIRTY = 1;
/** Handed to the log, not yet written. */
const WRITING = 2;

export interface RecordCacheOptions {
  readonly numRows: number;
  readonly partBytes: readonly number[];
  readonly capacity: number;
}

export class RecordCache {
  readonly capacity: number;
  parts: readonly RamStore[];
  /** A location a row: for the map in a checkpoint, to be filled before the first use when resuming. */
  readonly locations: Uint32Array;
  #homes: Uint32Array;
  #rows: Uint32Array;
  readonly #states: Uint8Array;
  #order: RecencyList;
  readonly #free: Uint32Array;
  #numFree: number;
  #numDirty = 0;
  #places: Uint32Array = new Uint32Array(0);

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

  /** What one row in memory takes beside its own bytes: home, row, state, two links, free list. */
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

  /** The log slot of the newest record of a row: what a checkpoint after a flush must name. */
  logSlotOf(row: number): number {
    const location = this.locations[row]!;
    return location >= IN_MEMORY ? this.#homes[location - IN_MEMORY]! : location;
  }

  /**
   * The places of `rows`, used just now; undefined if one of them is not in memory. Valid until the next
   * call.
   */
  locate(rows: Uint32Array): Uint32Array | undefined {
    if (this.#places.length < rows.length) this.#places = new Uint32Array(rows.length);
    const places = this.#places.subarray(0, rows.length);
    const { locations } = this;
    for (let i = 0; i < rows.length; i++) {
      const location = locations[rows[i]!]!;
      if (location < IN_MEMORY) return undefined;
      places[i] = location - IN_MEMORY;
    }
    for (let i = 0; i < places.length; i++) this.#order.touch(places[i]!);
    return places;
  }

  /** Notes that a row, if it is in memory, is used; says whether it is. */
  touch(row: number): boolean {
    const location = this.locations[row]!;
    if (location < IN_MEMORY) return false;
    this.#order.touch(location - IN_MEMORY);
    return true;
  }

  /** Gives a row that is not in memory a place, clean. There must be a free one; its bytes are stale. */
  insert(row: number): number {
    const place = this.#free[--this.#numFree]!;
    this.#homes[place] = this.locations[row]!;
    this.#rows[place] = row;
    this.#states[place] = CLEAN;
    this.locations[row] = IN_MEMORY + place;
    this.#order.add(place);
    return place;
  }

  /** Throws rows out, used longest ago first, until `count` places are free, among the `within` oldest.
   *  Passes over what is not yet in the log; says whether it succeeded. */
  evict(count: number, within: number): boolean {
    let place = this.#order.oldest;
    for (let seen = 0; seen < within && place !== this.capacity; seen++) {
      if (this.#numFree >= count) return true;
      const younger = this.#order.younger(place);
      if (this.#states[place] === CLEAN) {
        this.locations[this.#rows[place]!] = this.#homes[place]!;
        this.#order.remove(place);
        this.#free[this.#numFree++] = place;
      }
      place = younger;
    }
    return this.#numFree >= count;
  }

  markDirty(places: Uint32Array): void {
    for (let i = 0; i < places.length; i++) this.#setDirty(places[i]!);
  }

  /** Wants the row's record moved: from `slot` it will be gone. No-op where a newer one is due anyway. */
  rewrite(row: number): void {
    this.#setDirty(this.locations[row]! - IN_MEMORY);
  }

  #setDirty(place: number): void {
    const state = this.#states[place]!;
    if ((state & DIRTY) !== 0) return;
    this.#states[place] = state | DIRTY;
    this.#numDirty++;
  }

  /** Places to write back, oldest first, at most `into.length`, among the `within` oldest. */
  collectDirty(within: number, into: Uint32Array): number {
    let count = 0;
    let place = this.#order.oldest;
    for (let seen = 0; seen < within && place !== this.capacity && count < into.length; seen++) {
      if (this.#states[place] === DIRTY) into[count++] = place;
      place = this.#order.younger(place);
    }
    return count;
  }

  rowIn(place: number): number {
    return this.#rows[place]!;
  }

  /** The rows in these places are being written as they are now. */
  beginWriting(places: Uint32Array): void {
    for (let i = 0; i < places.length; i++) this.#states[places[i]!] = WRITING;
    this.#numDirty -= places.length;
  }

  /** The row in `place` is in the log, in `slot`. Returns the slot of the version before, or 0. */
  endWriting(place: number, slot: number): number {
    const before = this.#homes[place]!;
    this.#homes[place] = slot;
    this.#states[place]! &= ~WRITING;
    return before;
  }

  /** The writing failed: the rows are as changed as before. */
  abandonWriting(places: Uint32Array): void {
    for (let i = 0; i < places.length; i++) {
      this.#states[places[i]!]! &= ~WRITING;
      this.#setDirty(places[i]!);
    }
  }

  /** The row's record was copied to `slot`. */
  relocate(row: number, slot: number): void {
    const location = this.locations[row]!;
    if (location >= IN_MEMORY) this.#homes[location - IN_MEMORY] = slot;
    else this.locations[row] = slot;
  }

  /** Gives the memory of all rows back, none of which may be changed; where they are stays known. */
  release(): void {
    this.evict(this.capacity, this.capacity);
    this.parts = [];
    this.#homes = this.#rows = this.#places = new Uint32Array(0);
    this.#order = new RecencyList(0);
    this.#numFree = 0;
  }
}
