/**
 * Measures how long a store takes to read a number of random rows at once. Does not know where the store keeps its
 * rows, nor whether they are warm.
 */
import type { RowStore } from "../memory/index.ts";
import { Random } from "../numerics/index.ts";
import type { RowTime } from "./forecast.ts";

/** Rows read at once: the most that a store can have in flight for one token. */
export const DEPTHS: readonly number[] = [1, 4, 16, 64];

export interface RowTimesOptions {
  /** For each depth. At least `minReads` are done, however long they take. */
  readonly milliseconds: number;
  readonly minReads?: number;
  /** Milliseconds, never going back. */
  readonly now?: () => number;
  /** Called before every read, outside of its time. */
  readonly before?: () => void;
  /** Rows are drawn from these, not from the whole table. */
  readonly among?: Uint32Array;
  /** Called before the first read of each depth, and again whenever `everyRows` more rows were read. */
  readonly makeCold?: { readonly everyRows: number; readonly run: () => void };
  readonly signal?: AbortSignal | undefined;
}

/** Rows are drawn anew for every read, the same ones every time this runs. */
export async function timeRows(store: RowStore, options: RowTimesOptions): Promise<RowTime[]> {
  const { milliseconds, minReads = 8, now = () => performance.now() } = options;
  const { among, before, makeCold, signal } = options;
  const random = Random.fromSeed(1, "row times");
  const found: RowTime[] = [];
  for (const depth of DEPTHS) {
    const into = new Uint8Array(depth * store.rowBytes);
    const rows = new Uint32Array(depth);
    const times: number[] = [];
    let warmed = Infinity;
    const end = now() + milliseconds;
    while (times.length < minReads || (now() < end && times.length < MAX_READS)) {
      signal?.throwIfAborted();
      if (makeCold !== undefined && warmed + depth > makeCold.everyRows) {
        makeCold.run();
        warmed = 0;
      }
      warmed += depth;
      for (let i = 0; i < depth; i++) {
        const at = Math.floor(random.uniform() * (among?.length ?? store.numRows));
        rows[i] = among?.[at] ?? at;
      }
      before?.();
      const start = now();
      // As decoding does it: what is at hand takes no waiting.
      if (store.readNow?.(rows, into) !== true) await store.read(rows, into);
      times.push(now() - start);
    }
    found.push({ rows: depth, ...spreadOf(times) });
  }
  return found;
}

/** More would only fill memory: times of rows in RAM are microseconds. */
const MAX_READS = 200_000;

export function spreadOf(times: readonly number[]): { mean: number; p99: number } {
  const sorted = times.toSorted((a, b) => a - b);
  const mean = times.reduce((a, b) => a + b, 0) / times.length;
  const p99 = sorted[Math.min(sorted.length - 1, Math.floor(0.99 * sorted.length))]!;
  return { mean, p99: Math.max(mean, p99) };
}
