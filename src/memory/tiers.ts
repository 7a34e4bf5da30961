/**
 * Where the rows of tables lie, and how often each place was asked: what the caches, meters and stores around one
 * another say of themselves, from the outside in. Knows none of them by name.
 */
import type { RetrievalTable } from "./retrieval.ts";
import type { CacheStats } from "./stores/cache/cache-options.ts";
import type { StoreStats } from "./stores/wrappers/measured.ts";
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

/** What a store says of itself; each part where it applies. */
export interface StoreReport {
  readonly tier?: TierReport;
  readonly cache?: CacheStats;
  readonly meter?: StoreStats;
}

/** A store and those it stands around, from the outside in. */
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
