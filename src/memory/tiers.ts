/**
 * Where the rows of tables are, and how often each tier was read: the reports of caches, meters and stores, from the
 * outermost to the innermost. Knows no kind of store by name.
 */
import type { RetrievalTable } from "./retrieval.ts";
import type { CacheStats } from "./stores/cache/cache-options.ts";
import type { StoreStats } from "./stores/wrappers/measured.ts";
import type { RowStore } from "./store.ts";

/** One tier, all tables together. */
export interface TierReport {
  /** "ram", or as its meters say: "disk", "remote". */
  readonly tier: string;
  /** Rows in this tier now, and their bytes. Rows in a cache are in two tiers. */
  readonly rows: number;
  readonly bytes: number;
  /**
   * Rows requested from this tier since the tables were opened, and rows that it served: a cache does not serve all.
   * Absent where nothing counts them, as for tables that are in RAM as a whole.
   */
  readonly rowsAsked?: number;
  readonly rowsServed?: number;
  readonly bytesRead?: number;
  /** Sum of the times of all reads, in seconds; reads may overlap. Absent for RAM, which is not timed. */
  readonly readSeconds?: number;
}

/** The sums over the caches of all tables. */
export type CacheTotals = Omit<CacheStats, "capacityRows" | "capacityBytes" | "residentRows">;

export interface TableReport {
  readonly tiers: readonly TierReport[];
  /** Absent where no table has a cache. */
  readonly cache: CacheTotals | undefined;
}

/** The report of a store; each part where it applies. */
export interface StoreReport {
  readonly tier?: TierReport;
  readonly cache?: CacheStats;
  readonly meter?: StoreStats;
}

/** A store and those that it wraps, from the outermost to the innermost. */
export function storesFrom(store: RowStore): RowStore[] {
  return store.inner === undefined ? [store] : [store, ...storesFrom(store.inner)];
}

/** Nearest tier first. */
export function reportTables(tables: readonly Pick<RetrievalTable, "store">[]): TableReport {
  return mergeReports(
    tables
      .flatMap(({ store }) => storesFrom(store))
      .map((store) => {
        const { tier, cache } = store.report?.() ?? {};
        const tiers = tier === undefined ? [] : [tier];
        if (cache === undefined) return { tiers, cache };
        const { capacityRows: _r, capacityBytes: _b, residentRows: _n, ...totals } = cache;
        return { tiers, cache: totals };
      }),
  );
}

/** What several say, as one. */
export function mergeReports(reports: readonly TableReport[]): TableReport {
  const tiers = new Map<string, TierReport>();
  let totals: CacheTotals | undefined;
  for (const { tiers: some, cache } of reports) {
    for (const tier of some) tiers.set(tier.tier, sum(tiers.get(tier.tier), tier));
    if (cache !== undefined) totals = sum(totals, cache);
  }
  return { tiers: [...tiers.values()], cache: totals };
}

/** Adds numbers by name; texts are equal in both. Where one lacks a number, the sum lacks it, too. */
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
