/**
 * What a cache is told, what it tells, and how many rows fit into given memory. Knows no rows and no stores.
 */
import { InvalidConfigError } from "../../../errors.ts";
import type { RowStore } from "../../store.ts";
import type { StoreReport } from "../../tiers.ts";
import { admissionBytes, type CachePolicy } from "./admission.ts";

export interface CacheOptions {
  /** All memory the cache may take: rows, index, counters and the waiting room. */
  readonly bytes: number;
  /** Default `windowed`, which had most hits on articles, warmed, and as many as `lru` unwarmed (docs/log.md). */
  readonly policy?: CachePolicy;
}

/** Since the store was made. Rows are counted as asked for, repeats included. */
export interface CacheStats {
  readonly hits: number;
  /** Not there and not on their way. */
  readonly misses: number;
  /** On their way for another read, which was joined. */
  readonly joined: number;
  /** A hint had brought them, or was bringing them. */
  readonly prefetchHits: number;
  /** Rows that hints had read, and those among them dropped before anyone asked. */
  readonly prefetchedRows: number;
  readonly prefetchesWasted: number;
  /** Read from the other store. */
  readonly bytesRead: number;
  /** Rows that warming brought in. */
  readonly warmedRows: number;
  readonly evictions: number;
  /** Missed rows that got no slot. */
  readonly rejected: number;
  readonly residentRows: number;
  readonly capacityRows: number;
  /** What the cache takes, all of it reserved at the start. */
  readonly capacityBytes: number;
}

/** What a cache over rows of so many bytes says of itself. */
export function reportCache(stats: CacheStats, rowBytes: number): StoreReport {
  const rowsServed = stats.hits + stats.prefetchHits;
  const tier = {
    tier: "ram",
    rows: stats.residentRows,
    bytes: stats.residentRows * rowBytes,
    rowsAsked: rowsServed + stats.misses + stats.joined,
    rowsServed,
    bytesRead: rowsServed * rowBytes,
  };
  return { tier, cache: stats };
}

/** How often rows were used, for warming. Any order; both as long as each other. */
export interface RowCounts {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
}

/** Share of `bytes` for hinted rows. */
export const WAITING_SHARE: number = 1 / 8;
/** What an entry of the waiting room takes besides its row: an object and a place in a map. */
export const WAITING_OVERHEAD: number = 100;
type RowSize = Pick<RowStore, "rowBytes" | "numRows">;

/** Bytes that a cache for so many rows takes, without its waiting room. */
export function footprint(capacity: number, { rowBytes }: RowSize, policy: CachePolicy): number {
  return capacity * rowBytes + admissionBytes(policy, capacity);
}

/** Slots and the heads of their lists have 29 bits (`row-slots.ts`). */
const MOST_SLOTS = 2 ** 29 - 4;

/** The most rows, but no more than there are, whose footprint is within `bytes`. */
export function largestCapacity(bytes: number, table: RowSize, policy: CachePolicy): number {
  const least = footprint(1, table, policy);
  if (!(bytes >= least))
    throw new InvalidConfigError(
      `a cache for rows of ${table.rowBytes} bytes needs at least ` +
        `${Math.ceil(least / (1 - WAITING_SHARE))} bytes, got ${Math.round(bytes / (1 - WAITING_SHARE))}`,
    );
  let fits = 1;
  let tooMany = Math.min(table.numRows, MOST_SLOTS) + 1;
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (footprint(middle, table, policy) <= bytes) fits = middle;
    else tooMany = middle;
  }
  return fits;
}
