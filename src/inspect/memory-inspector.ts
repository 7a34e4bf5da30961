/**
 * The memory of a running model as a whole: its tables and buckets, the contents of their rows, how often rows are
 * read, and how the n-grams of texts are spread over them. Only reads; the model gives the same answers. Knows ids,
 * not text.
 */
import { InvalidConfigError } from "../errors.ts";
import { documentEnd } from "../inference/index.ts";
import {
  type CacheStats,
  compressIds,
  type HashedMemory,
  type LayerLayout,
  type RetrievalTable,
  type RowBins,
} from "../memory/index.ts";
import { type CollisionReport, NgramCollisions, ngramsBehind } from "./ngram-collisions.ts";
import { rowStatistics, type RowStatistics } from "./row-statistics.ts";
import type { TableTraffic, TierReport } from "./table-traffic.ts";

/** The rows of one order and head. */
export interface Bucket {
  readonly order: number;
  readonly head: number;
  readonly firstRow: number;
  readonly rows: number;
}

export interface TableReport {
  readonly layer: number;
  readonly rows: number;
  readonly rowBytes: number;
  readonly format: string;
  readonly headDim: number;
  readonly buckets: readonly Bucket[];
  /** Empty if the traffic is not measured. */
  readonly tiers: readonly TierReport[];
  readonly cache: CacheStats | undefined;
}

/** How many rows of a bucket training has written, estimated from a sample. */
export interface BucketFill {
  readonly order: number;
  readonly head: number;
  readonly sampled: number;
  readonly nonZero: number;
  readonly meanNorm: number;
  readonly maxNorm: number;
  /** Estimated number of different n-grams that were written to the bucket, from how many of its rows are filled. */
  readonly ngrams: number;
}

/** A text; or, if it `isContinued`, what follows the previous piece. */
export interface TextPiece {
  readonly ids: ArrayLike<number>;
  readonly isContinued: boolean;
}

/** Rows sampled in each bucket. This gives the share of rows that are not zero to within 0.4 %. */
const ROWS_PER_BUCKET = 2 ** 16;
const BYTES_PER_BUCKET = 2 ** 23;

/** Looks into the memory of an open model: its tables, what a text reads from them, which n-grams share a row. */
export class MemoryInspector {
  readonly #memory: HashedMemory;
  readonly #traffic: TableTraffic | undefined;
  readonly #seen: NgramCollisions;
  readonly #fills = new Map<number, Promise<BucketFill[]>>();

  /** Without `traffic`, how often rows are read is unknown. */
  constructor(memory: HashedMemory, traffic?: TableTraffic) {
    this.#memory = memory;
    this.#traffic = traffic;
    this.#seen = new NgramCollisions(memory.addressing);
  }

  /** When measuring of the traffic began, in milliseconds since 1970. */
  get since(): number | undefined {
    return this.#traffic?.since;
  }

  tables(): TableReport[] {
    return this.#memory.tables.map(({ layerId, store, format }) => ({
      layer: layerId,
      rows: store.numRows,
      rowBytes: store.rowBytes,
      format: format.name,
      headDim: format.headDim,
      buckets: bucketsOf(this.#layout(layerId), this.#numHeads),
      tiers: this.#traffic?.tiersOf(layerId) ?? [],
      cache: this.#traffic?.cacheOf(layerId),
    }));
  }

  /** Contents of the rows of each bin. Reads below meters and caches, so that the inspection does not change them. */
  async rows(
    layerId: number,
    bins: RowBins,
    options: { signal?: AbortSignal } = {},
  ): Promise<RowStatistics> {
    return rowStatistics(this.#source(layerId), bins, options);
  }

  /** How often the rows of each bin were read; undefined if this is not counted. */
  reads(layerId: number, bins: RowBins): Float64Array | undefined {
    this.#table(layerId);
    return this.#traffic?.readsOf(layerId, bins);
  }

  /** How full each bucket is after training. Rows do not change while a model runs, so this is computed once. */
  fill(layerId: number): Promise<BucketFill[]> {
    let fill = this.#fills.get(layerId);
    if (fill === undefined) {
      fill = this.#measureFill(layerId);
      this.#fills.set(layerId, fill);
      fill.catch(() => this.#fills.delete(layerId));
    }
    return fill;
  }

  /** Adds the n-grams of a text that was read to those seen so far. N-grams do not cross the start of a document. */
  see(ids: ArrayLike<number>, { documentStart }: { readonly documentStart?: number } = {}): void {
    const compressed = compressIds(this.#memory.tokenMap, ids);
    for (let from = 0, to; from < ids.length; from = to) {
      to = documentEnd(ids, { from, documentStart });
      this.#seen.add(compressed.subarray(from, to));
    }
  }

  /** Collisions among all n-grams seen so far. */
  collisions(): CollisionReport {
    return this.#seen.report();
  }

  /** Collisions among the n-grams of the given texts only. Pauses between pieces for other work. */
  async collisionsOf(
    pieces: Iterable<TextPiece> | AsyncIterable<TextPiece>,
  ): Promise<CollisionReport> {
    const collisions = new NgramCollisions(this.#memory.addressing);
    for await (const { ids, isContinued } of pieces) {
      collisions.add(compressIds(this.#memory.tokenMap, ids), { isContinued });
      await new Promise((resolve) => setTimeout(resolve));
    }
    return collisions.report();
  }

  async #measureFill(layerId: number): Promise<BucketFill[]> {
    const fills: BucketFill[] = [];
    for (const { order, head, firstRow, rows } of bucketsOf(
      this.#layout(layerId),
      this.#numHeads,
    )) {
      const found = await rowStatistics(
        this.#source(layerId),
        { from: firstRow, to: firstRow + rows, bins: 1 },
        { maxRows: ROWS_PER_BUCKET, maxBytes: BYTES_PER_BUCKET },
      );
      const sampled = found.sampled[0]!;
      const nonZero = found.nonZero[0]!;
      fills.push({
        order,
        head,
        sampled,
        nonZero,
        meanNorm: found.meanNorm[0]!,
        maxNorm: found.maxNorm[0]!,
        ngrams: ngramsBehind((nonZero / sampled) * rows, rows),
      });
    }
    return fills;
  }

  get #numHeads(): number {
    return this.#memory.addressing.layout.config.numHeads;
  }

  #layout(layerId: number): LayerLayout {
    return this.#memory.addressing.layout.layers.find((layer) => layer.layerId === layerId)!;
  }

  #source(layerId: number): RetrievalTable {
    const { store, format } = this.#table(layerId);
    return { layerId, store: this.#traffic?.sourceOf(layerId) ?? store, format };
  }

  #table(layerId: number): RetrievalTable {
    const { tables } = this.#memory;
    const table = tables.find((one) => one.layerId === layerId);
    if (table === undefined)
      throw new InvalidConfigError(
        `layer ${layerId} has no table; layers ${tables.map((one) => one.layerId).join(", ")} have one`,
      );
    return table;
  }
}

function bucketsOf({ primes, offsets }: LayerLayout, numHeads: number): Bucket[] {
  return primes.map((rows, column) => ({
    order: 2 + Math.floor(column / numHeads),
    head: column % numHeads,
    firstRow: offsets[column]!,
    rows,
  }));
}
