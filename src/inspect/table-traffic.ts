/**
 * What passes through a model's tables while it runs: how long reads take at each tier, what the cache holds,
 * which rows are asked for. Puts meters around the stores as they are opened; the rows that come out are the
 * same. Sees rows, never tokens.
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

/** Where a store stands: `name` is what it is ("memory", "cache", "file"), `isOuter` the one that the model asks. */
export interface StorePlace {
  readonly layerId: number;
  readonly name: string;
  readonly isOuter: boolean;
}

/** The reads that one tier answered since the model was opened. */
export interface TierReport extends StoreStats {
  readonly name: string;
}

interface Watched {
  /** The innermost store, before any meter. */
  source: RowStore | undefined;
  /** Meters, from the outermost to the innermost. */
  readonly tiers: { readonly name: string; readonly store: RowStore }[];
  counts: CountedStore | undefined;
}

export class TableTraffic {
  /** Milliseconds since 1970. */
  readonly since: number = Date.now();
  readonly #tables = new Map<number, Watched>();

  /** `loadModel`'s `wrapStore`. Called with a table's stores from the innermost to the outermost. */
  readonly watch = (store: RowStore, { layerId, name, isOuter }: StorePlace): RowStore => {
    // Some stores come with a meter already.
    const meter = store.report?.().meter === undefined ? measured(store) : store;
    let watched = this.#tables.get(layerId);
    if (watched === undefined)
      this.#tables.set(layerId, (watched = { source: meter.inner, tiers: [], counts: undefined }));
    watched.tiers.unshift({ name, store: meter });
    if (!isOuter) return meter;
    watched.counts = counted(meter);
    return watched.counts;
  };

  /** A table's store as it lies below meters and caches: who surveys it leaves no trace there. */
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

  /** How often rows were asked for, by bins: once a batch that needs them, however many places it has for them. */
  readsOf(layerId: number, bins: RowBins): Float64Array | undefined {
    return this.#tables.get(layerId)?.counts?.reads(bins);
  }
}
