/**
 * Who gets a slot of a cache when all are taken, and who loses one. Knows rows by number and slots; not bytes, nor
 * why a row is read.
 *
 * - `lru`: every missed row, for the one used longest ago.
 * - `frequency`: only a row asked for more often lately than that one (TinyLFU, arXiv 1512.00727).
 * - `windowed`: every missed row enters a window of recent rows; the one that leaves the window gets a slot of the
 *   rest only if it was asked for more often lately than the row there that would lose its own (W-TinyLFU, same
 *   paper). The rest is in two parts, rows used once since they came and rows used again (segmented LRU).
 * - `none`: nobody; what came first (or was warmed) stays.
 */
import { FrequencySketch } from "./frequency-sketch.ts";
import { RowSlots } from "./row-slots.ts";

export type CachePolicy = "lru" | "frequency" | "windowed" | "none";

/** Slots and what is known about rows. */
export interface Admission {
  readonly slots: RowSlots;
  /** Somebody asked for `row`, which may have a slot (or -1). */
  asked(row: number, slot: number): void;
  /**
   * `row` was missed and has been read: gives it a slot, and takes that of another away where all are taken.
   * -1 if it gets none. Read `slots.isFull` before to know whether a row lost its slot.
   */
  admit(row: number): number;
  /** A free slot for a row that shall be kept whatever it is worth: one that was warmed or written. */
  keep(row: number): number;
  /** `row` was asked for so often in the past. */
  teach(row: number, count: number): void;
}

/** Shares of the slots, by measurement on running text (docs/log.md). */
export interface WindowShares {
  /** Of all slots. */
  readonly window: number;
  /** Of those outside the window, for rows used again; the paper's value. */
  readonly protected: number;
}

export const windowShares: WindowShares = { window: 0.3, protected: 0.8 };

export function createAdmission(
  policy: CachePolicy,
  capacity: number,
  shares: WindowShares = windowShares,
): Admission {
  if (policy === "windowed") return windowed(capacity, shares);
  const slots = new RowSlots(capacity);
  const sketch = policy === "frequency" ? new FrequencySketch(capacity) : undefined;
  const deserves = (row: number): boolean =>
    policy !== "none" &&
    (sketch === undefined || sketch.estimate(row) > sketch.estimate(slots.rowAt(slots.oldest())));
  return {
    slots,
    asked(row, slot) {
      sketch?.add(row);
      if (slot >= 0) slots.touch(slot);
    },
    admit(row) {
      if (slots.isFull) {
        if (!deserves(row)) return -1;
        slots.remove(slots.rowAt(slots.oldest()));
      }
      return slots.insert(row);
    },
    keep: (row) => slots.insert(row),
    teach: (row, count) => sketch?.add(row, count),
  };
}

/** What a policy's counters and slots take, rows not counted. */
export function admissionBytes(policy: CachePolicy, capacity: number): number {
  if (policy === "windowed")
    return RowSlots.bytes(capacity, { lists: 3 }) + FrequencySketch.bytes(capacity);
  const sketch = policy === "frequency" ? FrequencySketch.bytes(capacity) : 0;
  return RowSlots.bytes(capacity) + sketch;
}

/** Lists of the slots. */
const RECENT = 0;
const PROBATION = 1;
const PROTECTED = 2;

function windowed(capacity: number, shares: WindowShares): Admission {
  const slots = new RowSlots(capacity, { lists: 3 });
  const sketch = new FrequencySketch(capacity);
  const windowSlots = Math.max(1, Math.round(shares.window * capacity));
  const protectedSlots = Math.floor(shares.protected * (capacity - windowSlots));
  const rest = (): number => (slots.sizeOf(PROBATION) > 0 ? PROBATION : PROTECTED);
  /** The window is over its share: its oldest row moves on, or, where all slots are taken, it or another goes. */
  const leaveWindow = (): void => {
    const candidate = slots.oldest(RECENT);
    if (!slots.isFull) {
      slots.touch(candidate, PROBATION);
      return;
    }
    const victim = slots.sizeOf(rest()) > 0 ? slots.rowAt(slots.oldest(rest())) : undefined;
    const row = slots.rowAt(candidate);
    if (victim !== undefined && sketch.estimate(row) > sketch.estimate(victim)) {
      slots.remove(victim);
      slots.touch(candidate, PROBATION);
    } else slots.remove(row);
  };
  return {
    slots,
    asked(row, slot) {
      sketch.add(row);
      if (slot < 0) return;
      if (slots.listOf(slot) !== PROBATION) {
        slots.touch(slot);
        return;
      }
      slots.touch(slot, PROTECTED);
      if (slots.sizeOf(PROTECTED) > protectedSlots) slots.touch(slots.oldest(PROTECTED), PROBATION);
    },
    admit(row) {
      if (slots.sizeOf(RECENT) >= windowSlots) leaveWindow();
      // Rows that were kept or warmed may have filled the window's share.
      else if (slots.isFull) slots.remove(slots.rowAt(slots.oldest(rest())));
      return slots.insert(row, RECENT);
    },
    keep: (row) => slots.insert(row, PROBATION),
    teach: (row, count) => sketch.add(row, count),
  };
}
