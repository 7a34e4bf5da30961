/**
 * Space management of a row log: the live records of each segment, the records that checkpoints need, where to write
 * next, and which segment to empty. Numbers only; knows no file and no row.
 *
 * A segment may be overwritten once it has no row's newest version and no kept checkpoint ("pin") refers to it.
 * Nothing else is ever overwritten. That makes checkpoints safe against crashes.
 */
import { StoreError } from "../../../errors.ts";
import { MAX_SLOTS } from "./row-log-format.ts";

export interface SlotRun {
  readonly firstSlot: number;
  readonly count: number;
}

/** Live records of each segment at the time of a checkpoint. */
export type Pin = Uint32Array;

/** Segments in use before sparse ones are emptied. */
const SLACK_SEGMENTS = 8;

export class LogSegments {
  readonly recordsPerSegment: number;
  #live: Uint32Array = new Uint32Array(64);
  #numSegments = 0;
  #total = 0;
  #pins: readonly Pin[] = [];
  /** The segment being filled, and how many of its slots are allocated. */
  #open = -1;
  #used: number;
  #free: number[] = [];
  /** Their last rows are in memory and will be written elsewhere. */
  readonly #emptied = new Set<number>();
  /** Whether a segment may have become free since `#free` was computed. */
  #mayHaveFree = false;

  constructor(recordsPerSegment: number) {
    this.recordsPerSegment = recordsPerSegment;
    this.#used = recordsPerSegment;
  }

  get numSegments(): number {
    return this.#numSegments;
  }

  get liveRecords(): number {
    return this.#total;
  }

  segmentOf(slot: number): number {
    return Math.floor((slot - 1) / this.recordsPerSegment);
  }

  firstSlotOf(segment: number): number {
    return segment * this.recordsPerSegment + 1;
  }

  liveIn(segment: number): number {
    return this.#live[segment]!;
  }

  /** Counts a record that is live in a checkpoint. Comes before the first `allocate`. */
  restore(slot: number): void {
    const segment = this.segmentOf(slot);
    this.#grow(segment + 1);
    this.#live[segment]!++;
    this.#total++;
    this.#mayHaveFree = true;
  }

  /** Up to `count` neighbouring slots, live from now on. */
  allocate(count: number): SlotRun {
    if (this.#used === this.recordsPerSegment) this.#openNext();
    const firstSlot = this.firstSlotOf(this.#open) + this.#used;
    const taken = Math.min(count, this.recordsPerSegment - this.#used);
    this.#used += taken;
    this.#live[this.#open]! += taken;
    this.#total += taken;
    return { firstSlot, count: taken };
  }

  /** The record in `slot` is no longer the newest version of its row. */
  release(slot: number): void {
    const segment = this.segmentOf(slot);
    this.#total--;
    if (--this.#live[segment]! === 0) this.#mayHaveFree = true;
  }

  /** The records that a checkpoint taken now refers to. They are kept until `keepPins` leaves the pin out. */
  pin(): Pin {
    const pin = this.#live.slice(0, this.#numSegments);
    this.#pins = [...this.#pins, pin];
    return pin;
  }

  /** Keeps the records that an older checkpoint refers to. */
  addPin(pin: Pin): void {
    this.#grow(pin.length);
    this.#pins = [...this.#pins, pin];
  }

  keepPins(pins: readonly Pin[]): void {
    this.#pins = pins;
    this.#mayHaveFree = true;
  }

  /**
   * The segment with the fewest live records, if less than half of the occupied slots are live. Emptying it then
   * moves at most one record for each slot that it frees. Undefined if there is nothing to gain.
   */
  victim(): number | undefined {
    let occupied = 0;
    let best: number | undefined;
    for (let segment = 0; segment < this.#numSegments; segment++) {
      const live = this.#live[segment]!;
      if (live === 0 || segment === this.#open || this.#emptied.has(segment)) continue;
      occupied++;
      if (best === undefined || live < this.#live[best]!) best = segment;
    }
    const needed = Math.ceil(this.#total / this.recordsPerSegment);
    if (best === undefined || occupied <= 2 * needed + SLACK_SEGMENTS) return undefined;
    return 2 * this.#live[best]! <= this.recordsPerSegment ? best : undefined;
  }

  /** The live records of this segment are being moved. It is not chosen again until it was refilled. */
  markEmptied(segment: number): void {
    this.#emptied.add(segment);
  }

  #openNext(): void {
    if (this.#free.length === 0 && this.#mayHaveFree) {
      this.#mayHaveFree = false;
      for (let segment = this.#numSegments - 1; segment >= 0; segment--)
        if (segment !== this.#open && this.#isFree(segment)) this.#free.push(segment);
    }
    const next = this.#free.pop() ?? this.#numSegments;
    if ((next + 1) * this.recordsPerSegment > MAX_SLOTS)
      throw new StoreError(
        `the row log is full: ${MAX_SLOTS} records of ${this.#total} rows and of the checkpoints that are kept`,
      );
    this.#grow(next + 1);
    this.#emptied.delete(next);
    this.#open = next;
    this.#used = 0;
  }

  #isFree(segment: number): boolean {
    return this.#live[segment] === 0 && !this.#pins.some((pin) => (pin[segment] ?? 0) > 0);
  }

  #grow(numSegments: number): void {
    if (numSegments <= this.#numSegments) return;
    if (numSegments > this.#live.length) {
      const live = new Uint32Array(Math.max(numSegments, 2 * this.#live.length));
      live.set(this.#live);
      this.#live = live;
    }
    this.#numSegments = numSegments;
  }
}
