/**
 * Row ids -> memory vectors: reads each distinct row of a batch once from the store of its layer, decodes it and
 * copies it to every position that uses it. The decoded rows are kept, so that a row optimizer can change them and
 * write them back. Rows with numbers that are not finite are refused. Knows nothing of tokens or tensors: row ids
 * come in, a plain array goes out.
 *
 * Shapes: P positions, C columns, d values a row, E = C*d, U distinct rows.
 */
import { InvalidConfigError, RequestError, ShapeError, StoreError } from "../errors.ts";
import { RowDeduper } from "./dedupe.ts";
import { checkRowValues } from "./finite-rows.ts";
import type { LookUp } from "./memory.ts";
import type { RowFormat } from "./row-format.ts";
import type { UseCodes } from "./row-use.ts";
import type { RowStore } from "./store.ts";

/** The table of one layer, and what its rows are. */
export interface RetrievalTable {
  readonly layerId: number;
  readonly store: RowStore;
  readonly format: RowFormat;
  /** How often training asked for each row, where that is known. */
  readonly useCodes?: UseCodes | undefined;
}

/** The distinct rows of one batch in one layer. All arrays are views, valid until the next batch. */
export interface RowBatch {
  readonly layerId: number;
  /** [U] row ids in order of first use. */
  readonly unique: Uint32Array;
  /** [P*C] index in `unique` of each given row. */
  readonly index: Uint32Array;
  /** [U, d] decoded values. To change them, write here and call `writeBack`. */
  readonly values: Float32Array;
}

/** Serves one batch at a time in each layer; layers are independent of each other. */
export class Retrieval {
  readonly #layers: ReadonlyMap<number, LayerRetrieval>;

  constructor(tables: readonly RetrievalTable[]) {
    this.#layers = new Map(tables.map((table) => [table.layerId, new LayerRetrieval(table)]));
    if (this.#layers.size !== tables.length)
      throw new InvalidConfigError(
        `each layer has one table, got tables for layers ${tables.map((t) => t.layerId).join(", ")}`,
      );
  }

  get layerIds(): number[] {
    return [...this.#layers.keys()];
  }

  /** Reads the rows [P, C] of a layer and fills `memory_PE`, whose length is P*C*d. */
  retrieve(
    layerId: number,
    { rows, memory_PE }: { rows: Uint32Array; memory_PE: Float32Array },
  ): Promise<RowBatch> {
    const layer = this.#layer(layerId);
    return layer.retrieve(rows, memory_PE);
  }

  /**
   * Fills in the rows [P, C] of some layers that can be read at once, [P, C*d] numbers each. `LookUp.begin` starts
   * the reads of the others. `areDistinct`: no row repeats, so there is nothing to look for.
   */
  lookUp(
    rows: ReadonlyMap<number, Uint32Array>,
    {
      into,
      areDistinct = false,
    }: { into: ReadonlyMap<number, Float32Array>; areDistinct?: boolean },
  ): LookUp {
    const lookUp = new RowLookUp();
    for (const [layerId, ofLayer] of rows) {
      lookUp.numRows += ofLayer.length;
      const layer = this.#layer(layerId);
      const memory_PE = into.get(layerId)!;
      if (!layer.retrieveNow(ofLayer, { memory_PE, areDistinct }))
        lookUp.late.set(layerId, { read: () => layer.retrieveLater(ofLayer, memory_PE) });
    }
    return lookUp;
  }

  /** Hints to the layer's store that these rows will be read. Never fails, never waits. */
  prefetch(layerId: number, rows: Uint32Array): void {
    this.#layer(layerId).prefetch(rows);
  }

  /** The rows of the last read of a layer. Throws `RequestError` after a read with `areDistinct`. */
  batchOf(layerId: number): RowBatch {
    const { batch } = this.#layer(layerId);
    if (batch === undefined)
      throw new RequestError(`layer ${layerId}: nothing has been read yet that could be changed`);
    return batch;
  }

  /** Encodes `batch.values` and writes them to the rows they came from. */
  writeBack(batch: RowBatch): Promise<void> {
    return this.#layer(batch.layerId).writeBack(batch);
  }

  /** Closes the stores. */
  async close(): Promise<void> {
    await Promise.all([...this.#layers.values()].map((layer) => layer.table.store.close()));
  }

  #layer(layerId: number): LayerRetrieval {
    const layer = this.#layers.get(layerId);
    if (layer === undefined)
      throw new RequestError(
        `layer ${layerId} has no table; layers ${this.layerIds.join(", ")} have one`,
      );
    return layer;
  }
}

/** Rows of some layers; some may not have arrived. */
class RowLookUp implements LookUp {
  numRows = 0;
  /** Layers that have not arrived, and their reads once begun. */
  readonly late = new Map<number, { read: () => Promise<unknown>; batch?: Promise<unknown> }>();

  get isDone(): boolean {
    return this.late.size === 0;
  }

  begin(): void {
    for (const [layerId, late] of this.late) {
      late.batch ??= late.read();
      // A failure is reported to those who wait. If nobody waits, it must not end the process.
      late.batch.then(
        () => this.late.delete(layerId),
        () => undefined,
      );
    }
  }

  hasArrived(layerId: number): boolean {
    return !this.late.has(layerId);
  }

  arrival(layerId: number): Promise<unknown> {
    return this.late.get(layerId)?.batch ?? Promise.resolve();
  }

  async all(): Promise<void> {
    this.begin();
    await Promise.all(this.#batches);
  }

  async settled(): Promise<void> {
    await Promise.allSettled(this.#batches);
  }

  get #batches(): unknown[] {
    return Array.from(this.late.values(), ({ batch }) => batch);
  }
}

interface PreparedBatch extends RowBatch {
  /** Receives the encoded rows of `unique` from the store. */
  readonly bytes: Uint8Array;
  /** `bytes` and `values` share memory: there is nothing to decode. */
  readonly isInPlace: boolean;
}

class LayerRetrieval {
  readonly table: RetrievalTable;
  readonly #deduper = new RowDeduper();
  readonly #ahead = new RowDeduper();
  #bytes = new Uint8Array(0);
  #values = new Float32Array(0);
  #isBusy = false;
  /** From the last read. */
  batch: RowBatch | undefined;

  constructor(table: RetrievalTable) {
    const { layerId, store, format } = table;
    if (store.rowBytes !== format.rowBytes)
      throw new InvalidConfigError(
        `layer ${layerId}: the store has rows of ${store.rowBytes} bytes, but ${format.headDim} values ` +
          `as ${format.name} take ${format.rowBytes}`,
      );
    this.table = table;
  }

  async retrieve(rows: Uint32Array, memory_PE: Float32Array): Promise<RowBatch> {
    return this.#retrieveNow(rows, memory_PE) ?? this.retrieveLater(rows, memory_PE);
  }

  /** Whether the store could answer at once. The rows are then in place. */
  retrieveNow(
    rows: Uint32Array,
    { memory_PE, areDistinct }: { memory_PE: Float32Array; areDistinct: boolean },
  ): boolean {
    if (!areDistinct) return this.#retrieveNow(rows, memory_PE) !== undefined;
    this.batch = undefined;
    // A path of its own, with less code: between two tokens all code is cold (docs/log.md).
    this.#check(rows, memory_PE);
    const { store, format } = this.table;
    if (store.readNow === undefined) return false;
    const inPlace = format.rowsOf(memory_PE);
    const bytes = inPlace ?? this.#scratch(rows.length);
    if (!store.readNow(rows, bytes)) return false;
    if (inPlace === undefined) format.decode(bytes, memory_PE);
    this.#checkValues(rows, memory_PE, memory_PE);
    return true;
  }

  async retrieveLater(rows: Uint32Array, memory_PE: Float32Array): Promise<RowBatch> {
    const batch = this.#prepare(rows, memory_PE);
    this.#isBusy = true;
    try {
      await this.table.store.read(batch.unique, batch.bytes);
      return this.#finish(batch, memory_PE);
    } finally {
      this.#isBusy = false;
    }
  }

  #retrieveNow(rows: Uint32Array, memory_PE: Float32Array): RowBatch | undefined {
    const { store } = this.table;
    const batch = this.#prepare(rows, memory_PE);
    const isHere = store.readNow?.(batch.unique, batch.bytes) === true;
    return isHere ? this.#finish(batch, memory_PE) : undefined;
  }

  #check(rows: Uint32Array, memory_PE: Float32Array): void {
    const { layerId, format } = this.table;
    const { headDim } = format;
    if (memory_PE.length !== rows.length * headDim)
      throw new ShapeError(
        `layer ${layerId}: ${rows.length} rows of ${headDim} values fill ` +
          `${rows.length * headDim} numbers, the memory array has ${memory_PE.length}`,
      );
    if (this.#isBusy)
      throw new RequestError(`layer ${layerId}: a batch is still being read; await it first`);
  }

  #prepare(rows: Uint32Array, memory_PE: Float32Array): PreparedBatch {
    this.#check(rows, memory_PE);
    const { layerId, format } = this.table;
    const { headDim } = format;
    const { unique, index } = this.#deduper.dedupe(rows);
    this.#reserve(unique.length);
    const values = this.#values.subarray(0, unique.length * headDim);
    const inPlace = format.rowsOf(values);
    const bytes = inPlace ?? this.#scratch(unique.length);
    return { layerId, unique, index, values, bytes, isInPlace: inPlace !== undefined };
  }

  #finish({ bytes, isInPlace, ...batch }: PreparedBatch, memory_PE: Float32Array): RowBatch {
    const { format } = this.table;
    if (!isInPlace) format.decode(bytes, batch.values);
    this.#checkValues(batch.unique, batch.values, memory_PE);
    dealOut(batch.values, batch.index, { into: memory_PE, headDim: format.headDim });
    this.batch = batch;
    return batch;
  }

  /** A bad number must not stay in the array: the next step may fill less of it and would compute with it. */
  #checkValues(rows: Uint32Array, values: Float32Array, memory_PE: Float32Array): void {
    try {
      checkRowValues(this.table, rows, values);
    } catch (error) {
      memory_PE.fill(0);
      throw error;
    }
  }

  prefetch(rows: Uint32Array): void {
    const { store } = this.table;
    if (store.prefetch !== undefined) store.prefetch(this.#ahead.dedupe(rows).unique.slice());
  }

  async writeBack({ layerId, unique, values }: RowBatch): Promise<void> {
    const { store, format } = this.table;
    if (store.write === undefined)
      throw new StoreError(`layer ${layerId}: its store can only be read; open it for writing`);
    const inPlace = format.rowsOf(values);
    const bytes = inPlace ?? this.#scratch(unique.length);
    if (inPlace === undefined) format.encode(values, bytes);
    await store.write(unique, bytes);
  }

  #reserve(rows: number): void {
    const { headDim } = this.table.format;
    if (rows * headDim > this.#values.length) this.#values = new Float32Array(rows * headDim);
  }

  /** Space for encoded rows. */
  #scratch(rows: number): Uint8Array {
    const bytes = rows * this.table.format.rowBytes;
    if (bytes > this.#bytes.length) this.#bytes = new Uint8Array(bytes);
    return this.#bytes.subarray(0, bytes);
  }
}

interface DealOut {
  readonly into: Float32Array;
  readonly headDim: number;
}

/**
 * Rows are numbered by first use, so new rows form runs, and a run is copied as one block. Short runs are copied by a
 * loop, which is faster than making two views (about 100 ns).
 */
function dealOut(values: Float32Array, index: Uint32Array, { into, headDim }: DealOut): void {
  for (let i = 0; i < index.length;) {
    const first = index[i]!;
    let run = 1;
    while (i + run < index.length && index[i + run] === first + run) run++;
    let from = first * headDim;
    let to = i * headDim;
    const size = run * headDim;
    if (size >= MIN_BLOCK) into.set(values.subarray(from, from + size), to);
    else for (const end = to + size; to < end; to++, from++) into[to] = values[from]!;
    i += run;
  }
}

const MIN_BLOCK = 128;
