/**
 * Where the rows of tables lie, and how often each place was asked: the caches, meters and stores around one another
 * read from the outside in. Knows which of our stores hold rows in RAM; every other place has the name that its
 * meter was given.
 */
import type { RetrievalTable } from "./retrieval.ts";
import type { CacheStats } from "./stores/cache-options.ts";
import { CachedStore } from "./stores/cached.ts";
import { CountedStore } from "./stores/counted.ts";
import { MeasuredStore } from "./stores/measured.ts";
import { RamStore } from "./stores/ram.ts";
import type { RowStore } from "./store.ts";

/** One place for rows, all tables together. */
export interface TierReport {
  /** "ram", or as its meters say: "disk", "remote". */
  readonly tier: string;
  /** Rows that lie there now, and their bytes. What a cache holds lies in two tiers. */
  readonly rows: number;
  readonly bytes: number;
  /**
   * Rows that were asked of this tier since the tables were opened, and those that it had: a cache does not have all.
   * Absent where nothing counts, as in tables that lie in RAM as a whole.
   */
  readonly rowsAsked?: number;
  readonly rowsServed?: number;
  readonly bytesRead?: number;
  /** Seconds that reads took, each by itself; several may be under way at once. Absent for RAM, where no clock runs. */
  readonly readSeconds?: number;
}

/** What the caches of all tables did together. */
export type CacheTotals = Omit<CacheStats, "capacityRows" | "capacityBytes" | "residentRows">;

export interface TableReport {
  readonly tiers: readonly TierReport[];
  /** Absent where no table has a cache. */
  readonly cache: CacheTotals | undefined;
}

/** Nearest tier first. */
export function reportTables(tables: readonly RetrievalTable[]): TableReport {
  const tiers = new Map<string, TierReport>();
  let cache: CacheTotals | undefined;
  for (const { store } of tables)
    for (let at: RowStore | undefined = store; at !== undefined; at = innerOf(at)) {
      const tier = tierOf(at);
      if (tier !== undefined) tiers.set(tier.tier, sum(tiers.get(tier.tier), tier));
      if (at instanceof CachedStore) {
        const { capacityRows: _r, capacityBytes: _b, residentRows: _n, ...totals } = at.stats;
        cache = sum(cache, totals);
      }
    }
  return { tiers: [...tiers.values()], cache };
}

function tierOf(store: RowStore): TierReport | undefined {
  const { numRows, rowBytes } = store;
  const size = { rows: numRows, bytes: numRows * rowBytes };
  if (store instanceof CachedStore) {
    const { hits, misses, joined, prefetchHits, residentRows } = store.stats;
    const rowsServed = hits + prefetchHits;
    return {
      tier: "ram",
      rows: residentRows,
      bytes: residentRows * rowBytes,
      rowsAsked: rowsServed + misses + joined,
      rowsServed,
      bytesRead: rowsServed * rowBytes,
    };
  }
  if (store instanceof RamStore) return { tier: "ram", ...size };
  if (!(store instanceof MeasuredStore) || store.tier === undefined) return undefined;
  const { rowsRead, bytesRead, readTime } = store.stats;
  const counts = { rowsAsked: rowsRead, rowsServed: rowsRead, bytesRead };
  return { tier: store.tier, ...size, ...counts, readSeconds: readTime.total / 1000 };
}

/** The cache nearest to whoever reads `store`, if there is one. */
export function cacheIn(store: RowStore): CachedStore | undefined {
  for (let at: RowStore | undefined = store; at !== undefined; at = innerOf(at))
    if (at instanceof CachedStore) return at;
  return undefined;
}

function innerOf(store: RowStore): RowStore | undefined {
  const isWrapper =
    store instanceof CachedStore || store instanceof MeasuredStore || store instanceof CountedStore;
  return isWrapper ? store.inner : undefined;
}

/** Adds numbers by name; texts are the same in both. A number that one of them lacks is not known of both together. */
function sum<Report extends object>(before: Report | undefined, more: Report): Report {
  if (before === undefined) return more;
  const old = before as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(more)
      .filter(([name]) => old[name] !== undefined)
      .map(([name, value]) => [
        name,
        typeof value === "number" ? value + (old[name] as number) : value,
      ]),
  ) as Report;
}
