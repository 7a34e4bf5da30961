/**
 * Options and statistics of a cache, and how many rows fit into given memory. Knows no rows and no stores.
 */
import { InvalidConfigError } from "../../../errors.ts";
import type { RowStore } from "../../store.ts";
import type { StoreReport } from "../../tiers.ts";
import { admissionBytes, type CachePolicy } from "./admission.ts";

/** How much memory a cache of rows gets, and what it keeps there. */
export interface CacheOptions {
  /** Memory of the whole cache: rows, index, counters and the prefetch buffer. */
  readonly bytes: number;
  /**
   * Default `windowed`: on articles it had the most hits when warmed, and as many as `lru` when not (docs/log.md).
   */
  readonly policy?: CachePolicy;
}

/** Counts since the store was made. Rows are counted with repeats. */
export interface CacheStats {
  readonly hits: number;
  /** Rows that were not in the cache and not being loaded. */
  readonly misses: number;
  /** Rows that another read was loading already. */
  readonly joined: number;
  /** Rows that a hint had loaded, or was loading. */
  readonly prefetchHits: number;
  /** Rows that hints loaded, and those among them that were dropped unused. */
  readonly prefetchedRows: number;
  readonly prefetchesWasted: number;
  /** Bytes read from the inner store. */
  readonly bytesRead: number;
  /** Rows loaded by warming. */
  readonly warmedRows: number;
  readonly evictions: number;
  /** Missed rows that were not admitted. */
  readonly rejected: number;
  readonly residentRows: number;
  readonly capacityRows: number;
  /** Memory of the cache. All of it is reserved at the start. */
  readonly capacityBytes: number;
}

/** The report of a cache with rows of `rowBytes` bytes. */
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

/** How often rows were used, for warming. In any order; both arrays have the same length. */
export interface RowCounts {
  readonly rows: Uint32Array;
  readonly counts: Uint32Array;
}

/** Share of `bytes` for the prefetch buffer. */
export const PREFETCH_SHARE: number = 1 / 8;
/** Bytes of an entry of the prefetch buffer besides its row: an object and a map entry. */
export const PREFETCH_OVERHEAD: number = 100;
type RowSize = Pick<RowStore, "rowBytes" | "numRows">;

/** Bytes of a cache for `capacity` rows, without its prefetch buffer. */
export function footprint(capacity: number, { rowBytes }: RowSize, policy: CachePolicy): number {
  return capacity * rowBytes + admissionBytes(policy, capacity);
}

/** Slots and the heads of their lists have 29 bits (`row-slots.ts`). */
const MOST_SLOTS = 2 ** 29 - 4;

/** The largest number of rows, up to the size of the table, whose footprint is within `bytes`. */
export function largestCapacity(bytes: number, table: RowSize, policy: CachePolicy): number {
  const least = footprint(1, table, policy);
  if (!(bytes >= least))
    throw new InvalidConfigError(
      `a cache for rows of ${table.rowBytes} bytes needs at least ` +
        `${Math.ceil(least / (1 - PREFETCH_SHARE))} bytes, got ${Math.round(bytes / (1 - PREFETCH_SHARE))}`,
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
