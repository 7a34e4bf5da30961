/**
 * Measures the traffic of a running model's tables: how long reads take at each tier, what the cache holds, which rows
 * are read. Wraps stores in meters as they are opened. The rows that are read stay the same. Knows rows, never tokens.
 */
import {
  type CacheStats,
  counted,
  type CountedStore,
  measured,
  type RowBins,
  type RowStore,
  type StoreStats,
  storesFrom,
} from "../memory/index.ts";

/**
 * Position of a store: `name` is its kind ("memory", "cache", "file"); `isOuter` marks the one that the model reads.
 */
export interface StorePlace {
  readonly layerId: number;
  readonly name: string;
  readonly isOuter: boolean;
}

/** The reads that one tier has answered since the model was opened. */
export interface TierReport extends StoreStats {
  readonly name: string;
}

interface Watched {
  /** The innermost store, below all meters. */
  source: RowStore | undefined;
  /** Meters, from the outermost to the innermost. */
  readonly tiers: { readonly name: string; readonly store: RowStore }[];
  counts: CountedStore | undefined;
}

/** What a model's tables were asked for, and how much of it caches answered. Wraps each store as it is opened. */
export class TableTraffic {
  /** Milliseconds since 1970. */
  readonly since: number = Date.now();
  readonly #tables = new Map<number, Watched>();

  /** `loadModel`'s `wrapStore`. Called with a table's stores from the innermost to the outermost. */
  readonly watch = (store: RowStore, { layerId, name, isOuter }: StorePlace): RowStore => {
    // Some stores already have a meter.
    const meter = store.report?.().meter === undefined ? measured(store) : store;
    let watched = this.#tables.get(layerId);
    if (watched === undefined)
      this.#tables.set(layerId, (watched = { source: meter.inner, tiers: [], counts: undefined }));
    watched.tiers.unshift({ name, store: meter });
    if (!isOuter) return meter;
    watched.counts = counted(meter);
    return watched.counts;
  };

  /** A table's store below meters and caches. Reading it does not change them. */
  sourceOf(layerId: number): RowStore | undefined {
    return this.#tables.get(layerId)?.source;
  }

  /** From the outermost to the innermost. */
  tiersOf(layerId: number): TierReport[] {
    return (this.#tables.get(layerId)?.tiers ?? []).map(({ name, store }) => ({
      name,
      ...store.report!().meter!,
    }));
  }

  cacheOf(layerId: number): CacheStats | undefined {
    const outer = this.#tables.get(layerId)?.counts;
    const reports = outer && storesFrom(outer).map((store) => store.report?.().cache);
    return reports?.find((cache) => cache !== undefined);
  }

  /** How often rows were read, by bins. A batch counts a row once, even if it needs it at several positions. */
  readsOf(layerId: number, bins: RowBins): Float64Array | undefined {
    return this.#tables.get(layerId)?.counts?.reads(bins);
  }
}
