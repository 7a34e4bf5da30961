/** The server's routes to the memory as a whole, and what they answer. */
import { type CallOptions, getJson, postJson } from "../../api.ts";

export interface Bucket {
  readonly order: number;
  readonly head: number;
  readonly first_row: number;
  readonly rows: number;
}

export interface Tier {
  readonly name: string;
  readonly reads: number;
  readonly rows_read: number;
  readonly bytes_read: number;
  readonly failures: number;
  readonly in_flight: number;
  readonly milliseconds: {
    readonly total: number;
    readonly p50: number;
    readonly p99: number;
    readonly max: number;
  };
  /** Upper end in milliseconds and reads; empty buckets are left out. */
  readonly histogram: readonly (readonly [number, number])[];
}

export interface Cache {
  readonly hits: number;
  readonly misses: number;
  readonly joined: number;
  readonly prefetch_hits: number;
  readonly prefetched_rows: number;
  readonly prefetches_wasted: number;
  readonly evictions: number;
  readonly resident_rows: number;
  readonly capacity_rows: number;
  readonly capacity_bytes: number;
}

export interface Table {
  readonly layer: number;
  readonly rows: number;
  readonly row_bytes: number;
  readonly bytes: number;
  readonly format: string;
  readonly head_dim: number;
  readonly buckets: readonly Bucket[];
  readonly tiers: readonly Tier[];
  readonly cache: Cache | null;
}

/** What followed each context of the training text: exact, and in no row that another context has. */
export interface Counts {
  readonly order: number;
  readonly estimated_contexts: number;
  readonly bytes: number;
  readonly blocks: number;
  readonly block_bytes: number;
  readonly tiers: readonly Tier[];
  readonly cache: Cache | null;
}

export interface Memory {
  /** Since when traffic is counted, seconds since 1970; null where nobody counts. */
  readonly since: number | null;
  readonly tables: readonly Table[];
  readonly counts: Counts | null;
}

/** Rows from..to-1 of a table in `bins` parts. */
export interface Area {
  readonly layer: number;
  readonly from: number;
  readonly to: number;
  readonly bins: number;
}

export interface AreaRows {
  readonly sampled: readonly number[];
  readonly non_zero: readonly number[];
  readonly mean_norm: readonly number[];
  readonly max_norm: readonly number[];
}

export interface BucketCollisions {
  readonly layer: number;
  readonly order: number;
  readonly head: number;
  readonly rows: number;
  readonly ngrams: number;
  readonly distinct_rows: number;
  readonly shared_ngrams: number;
  readonly expected_distinct_rows: number;
  readonly expected_shared_ngrams: number;
}

export interface Collisions {
  readonly tokens: number;
  readonly full: boolean;
  readonly buckets: readonly BucketCollisions[];
}

export interface BucketFill {
  readonly order: number;
  readonly head: number;
  readonly sampled: number;
  readonly non_zero: number;
  readonly mean_norm: number;
  readonly max_norm: number;
  /** Null where every row is filled: any number of n-grams could have done that. */
  readonly estimated_ngrams: number | null;
}

export interface Fill {
  readonly tables: readonly { readonly layer: number; readonly buckets: readonly BucketFill[] }[];
}

const queryOf = ({ layer, from, to, bins }: Area): string =>
  new URLSearchParams({
    layer: String(layer),
    from: String(from),
    to: String(to),
    bins: String(bins),
  }).toString();

export const memoryApi = {
  memory: (options: CallOptions): Promise<Memory> => getJson("engram/memory", options),
  rows: (area: Area, options: CallOptions): Promise<AreaRows> =>
    getJson(`engram/memory/rows?${queryOf(area)}`, options),
  reads: async (area: Area, options: CallOptions): Promise<readonly number[] | null> =>
    (await getJson<{ reads: number[] | null }>(`engram/memory/reads?${queryOf(area)}`, options))
      .reads,
  fills: (options: CallOptions): Promise<Fill> => getJson("engram/memory/fill", options),
  collisions: (options: CallOptions): Promise<Collisions> =>
    getJson("engram/memory/collisions", options),
  /** Of the text that the model was trained on; null where it does not say which n-grams that had. */
  collisionsOfTraining: async (options: CallOptions): Promise<Collisions | null> =>
    (await getJson<{ collisions: Collisions | null }>("engram/corpus/collisions", options))
      .collisions,
  collisionsOf: (text: string, options: CallOptions): Promise<Collisions> =>
    postJson("engram/memory/collisions", { text }, options),
} as const;
