/**
 * Admission and eviction: which row gets a slot of a full cache, and which row loses one. Knows rows by number and
 * slots; not bytes, nor why a row is read.
 *
 * - `lru`: every missed row replaces the least recently used one.
 * - `frequency`: a missed row does so only if it was read more often lately (TinyLFU, arXiv 1512.00727).
 * - `windowed`: every missed row enters a window of recent rows. A row that leaves the window replaces a row of the
 *   main part only if it was read more often lately (W-TinyLFU, same paper). The main part has two segments: rows
 *   used once since they came, and rows used again (segmented LRU).
 * - `none`: no replacement. The rows that came first, or were warmed, stay.
 */
import { FrequencySketch } from "./frequency-sketch.ts";
import { RowSlots } from "./row-slots.ts";

export type CachePolicy = "lru" | "frequency" | "windowed" | "none";

/** The slots, and what the policy knows about rows. */
export interface Admission {
  readonly slots: RowSlots;
  /** `row` was read; `slot` is its slot, or -1. */
  asked(row: number, slot: number): void;
  /**
   * Gives a missed row a slot, and evicts another row if all slots are taken. Returns -1 if the row is not admitted.
   * To know whether a row was evicted, read `slots.isFull` before the call.
   */
  admit(row: number): number;
  /** A free slot for a row that is admitted in any case: one that was warmed or written. */
  keep(row: number): number;
  /** `row` was read `count` times in the past. */
  teach(row: number, count: number): void;
}

/** Shares of the slots, by measurement on running text (docs/log.md). */
export interface WindowShares {
  /** The window's share of all slots. */
  readonly window: number;
  /** The share of the other slots that is for rows used again. The value is the paper's. */
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

/** Bytes of a policy's counters and slots, without the rows. */
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
  /**
   * The window is over its share. Its oldest row moves to the main part; if all slots are taken, that row or another
   * is evicted.
   */
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
