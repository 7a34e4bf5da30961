/**
 * The two ways a run keeps a table with its moments: in memory, copied whole into each checkpoint; or out of
 * core, where a checkpoint is a map into a log (docs/decisions/0019). Training sees two stores either way.
 * Knows checkpoints' tensors by name; not steps, texts or recipes.
 */
import { closeAll } from "../../disposal-stack.ts";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { type SafetensorsFile, type TensorSource } from "../../checkpoint/node/index.ts";
import { FormatError, InvalidConfigError, StoreError } from "../../errors.ts";
import {
  planTableMemory,
  RamStore,
  type RowStore,
  type TableMemoryPlan,
  USE_CODE_BYTES,
  type WritableRowStore,
} from "../../memory/index.ts";
import {
  MAP_CHUNK_ROWS,
  type OutOfCoreStats,
  OutOfCoreTable,
  rowsInOrder,
} from "../../memory/stores/out-of-core/node/index.ts";
import { layerName } from "../../model/index.ts";
import { linearCrc32c } from "../../numerics/index.ts";
import type { TrainingRecipe } from "../presets.ts";
import type { TableState } from "./state-file.ts";

export interface TableShape {
  readonly layerId: number;
  readonly headDim: number;
  readonly numRows: number;
}

/** What a table adds to a checkpoint. */
export interface TableSnapshot {
  /** What is part of the model. */
  readonly model: readonly TensorSource[];
  /** What only training needs. */
  readonly tensors: readonly TensorSource[];
  /** What state.json says of it, once the tensors have been written; undefined: nothing. */
  state(): TableState | undefined;
}

/** A checkpoint on disk that holds a snapshot of this table. */
export interface SavedTable {
  readonly path: string;
  /** Where the rows, unless they are out of core, and their uses are, and under which names. */
  readonly model: SafetensorsFile;
  readonly names: { readonly rows: string; readonly uses: string };
  readonly tensors: SafetensorsFile;
  readonly state: TableState | undefined;
  /** Whether it has the uses of rows. */
  readonly hasUses: boolean;
}

export interface TrainedTable extends TableShape {
  readonly values: WritableRowStore;
  readonly moments: WritableRowStore;
  /** A code a row (`countUses`), in RAM wherever the table lies. */
  readonly uses: RamStore;
  /** Where it lies and in how much memory, in words, if that is not simply RAM. */
  readonly plan: string | undefined;
  /** Makes a table of zeros. Either this or `restore` comes before the first use. */
  begin(): Promise<void>;
  restore(saved: SavedTable): Promise<void>;
  /** Another checkpoint that must stay whole. */
  hold(saved: SavedTable): Promise<void>;
  /** For a checkpoint, while no step is under way. */
  snapshot(): Promise<TableSnapshot>;
  /** The last snapshot is now on disk, at `path`; `kept` are all that are. */
  committed(path: string, kept: readonly string[]): void;
  /** The values from first row to last, once training has ended; nothing is written after that. */
  finished(): Promise<RowStore>;
  close(): Promise<void>;
}

export class RamTable implements TrainedTable {
  readonly layerId: number;
  readonly headDim: number;
  readonly numRows: number;
  readonly values: RamStore;
  readonly moments: RamStore;
  readonly uses: RamStore;
  readonly plan: undefined;

  constructor({ layerId, headDim, numRows }: TableShape) {
    this.layerId = layerId;
    this.headDim = headDim;
    this.numRows = numRows;
    this.values = new RamStore({ numRows, rowBytes: 4 * headDim });
    this.moments = new RamStore({ numRows, rowBytes: 4 });
    this.uses = new RamStore({ numRows, rowBytes: USE_CODE_BYTES });
  }

  async begin(): Promise<void> {}

  async restore(saved: SavedTable): Promise<void> {
    const { path, model, names, tensors } = saved;
    if (!model.tensors.has(names.rows))
      throw new InvalidConfigError(
        `${path} keeps its tables on disk; resume with a memory for them (--table-memory)`,
      );
    await fill(names.rows, { from: model, into: this.values });
    await fill(`moments.${this.layerId}`, { from: tensors, into: this.moments });
    await restoreUses(this, saved);
  }

  async hold(): Promise<void> {}

  async snapshot(): Promise<TableSnapshot> {
    const { layerId, numRows, headDim } = this;
    const source = (name: string, { segments }: RamStore, shape: number[]): TensorSource => ({
      name,
      dtype: "F32",
      shape,
      chunks: () => segments,
    });
    return {
      model: [source(valuesName(layerId), this.values, [numRows, headDim]), usesSource(this)],
      tensors: [source(`moments.${layerId}`, this.moments, [numRows])],
      state: () => undefined,
    };
  }

  committed(): void {}

  async finished(): Promise<RowStore> {
    return this.values;
  }

  async close(): Promise<void> {
    await closeAll([this.values, this.moments, this.uses]);
  }
}

export class OutOfCoreTrainedTable implements TrainedTable {
  readonly layerId: number;
  readonly headDim: number;
  readonly numRows: number;
  readonly values: WritableRowStore;
  readonly moments: WritableRowStore;
  readonly uses: RamStore;
  readonly #path: string;
  readonly #memory: TableMemoryPlan;
  #table: OutOfCoreTable | undefined;
  /** What each checkpoint on disk holds, by its path. */
  #pins = new Map<string, Uint32Array>();
  #newest: Uint32Array | undefined;

  /** The log is at `path`; nothing is opened before `begin` or `restore`. */
  constructor(
    shape: TableShape,
    { path, memory }: { readonly path: string; readonly memory: TableMemoryPlan },
  ) {
    this.layerId = shape.layerId;
    this.headDim = shape.headDim;
    this.numRows = shape.numRows;
    this.#path = path;
    this.#memory = memory;
    this.values = this.#part(0, 4 * shape.headDim);
    this.moments = this.#part(1, 4);
    this.uses = new RamStore({ numRows: shape.numRows, rowBytes: USE_CODE_BYTES });
  }

  get plan(): string {
    const { cacheRows, totalBytes } = this.#memory;
    const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
    return (
      `layer ${this.layerId}: ${this.numRows} rows with their moments, ` +
      `${mib(this.numRows * (4 * this.headDim + 4))}, in ${this.#path}; ` +
      `${cacheRows} of them at a time, where all are, and how often each was used, in ${mib(totalBytes)} of RAM`
    );
  }

  get stats(): OutOfCoreStats {
    return this.#opened().stats;
  }

  get table(): OutOfCoreTable {
    return this.#opened();
  }

  async begin(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    this.#table = await OutOfCoreTable.create(this.#path, this.#options());
  }

  async restore(saved: SavedTable): Promise<void> {
    const { path, state } = saved;
    if (state === undefined)
      throw new InvalidConfigError(
        `${path} keeps its tables in memory; resume without a memory for them (--table-memory)`,
      );
    // A second attempt, with an older checkpoint: nothing of the first may stay.
    await this.#table?.close();
    this.#pins.clear();
    for (const segment of this.uses.segments) if (this.#table !== undefined) segment.fill(0);
    let sum = 0;
    this.#table = await OutOfCoreTable.open(this.#path, {
      ...this.#options(),
      identity: Buffer.from(state.log, "hex"),
      fill: async (map) => {
        let at = 0;
        for await (const chunk of this.#map(saved)) {
          sum = chained(sum, chunk);
          // Zeros stay untouched memory.
          for (let i = 0; i < chunk.length; i++) if (chunk[i] !== 0) map[at + i] = chunk[i]!;
          at += chunk.length;
        }
        if (hex(sum) !== state.mapSum)
          throw new FormatError(
            `${path}: expected the checksum ${state.mapSum} of the map of layer ${this.layerId}'s rows, found ${hex(sum)}; it is damaged`,
          );
      },
    });
    this.#pins.set(path, await this.#table.pinMap(this.#map(saved)));
    await restoreUses(this, saved);
  }

  async hold(saved: SavedTable): Promise<void> {
    const table = this.#opened();
    // A checkpoint of another log holds nothing here.
    if (saved.state?.log !== hexOf(table.identity)) return;
    this.#pins.set(saved.path, await table.pinMap(this.#map(saved)));
  }

  async snapshot(): Promise<TableSnapshot> {
    const table = this.#opened();
    const { layerId, numRows } = this;
    this.#newest = await table.flush();
    let sum = 0;
    return {
      model: [usesSource(this)],
      tensors: [
        {
          name: rowsName(layerId),
          dtype: "I32",
          shape: [numRows],
          chunks: function* () {
            for (const chunk of table.map()) {
              sum = chained(sum, chunk);
              yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
            }
          },
        },
      ],
      state: () => ({ layerId, log: hexOf(table.identity), mapSum: hex(sum) }),
    };
  }

  committed(path: string, kept: readonly string[]): void {
    if (this.#newest !== undefined) this.#pins.set(path, this.#newest);
    for (const known of this.#pins.keys()) if (!kept.includes(known)) this.#pins.delete(known);
    this.#opened().keepPins([...this.#pins.values()]);
  }

  async finished(): Promise<RowStore> {
    const table = this.#opened();
    await table.seal();
    return rowsInOrder(table, { rowBytes: 4 * this.headDim, bytes: this.#memory.cacheBytes });
  }

  async close(): Promise<void> {
    await closeAll([this.uses, ...(this.#table === undefined ? [] : [this.#table])]);
  }

  #options(): { numRows: number; partBytes: number[]; memory: TableMemoryPlan } {
    const { numRows, headDim } = this;
    return { numRows, partBytes: [4 * headDim, 4], memory: this.#memory };
  }

  #opened(): OutOfCoreTable {
    if (this.#table === undefined)
      throw new StoreError(`the table of ${this.#path} is not open; begin or restore it first`);
    return this.#table;
  }

  /** A part of the table that will be opened. */
  #part(part: number, rowBytes: number): WritableRowStore {
    const store = (): WritableRowStore => this.#opened().parts[part]!;
    return {
      numRows: this.numRows,
      rowBytes,
      read: (rows, into) => store().read(rows, into),
      readNow: (rows, into) => store().readNow?.(rows, into) ?? false,
      write: (rows, from) => store().write(rows, from),
      prefetch: (rows) => store().prefetch?.(rows),
      close: async () => undefined,
    };
  }

  async *#map({ tensors }: SavedTable): AsyncGenerator<Uint32Array> {
    const chunk = new Uint32Array(MAP_CHUNK_ROWS);
    for (let first = 0; first < this.numRows; first += MAP_CHUNK_ROWS) {
      const part = chunk.subarray(0, Math.min(MAP_CHUNK_ROWS, this.numRows - first));
      const into = new Uint8Array(part.buffer, 0, part.byteLength);
      const begin = 4 * first;
      const end = begin + into.length;
      await tensors.readRange(rowsName(this.layerId), { begin, end, into });
      yield part;
    }
  }
}

export interface TrainedTablesOptions {
  /** Rows that a token reads in each table. */
  readonly columns: number;
  readonly recipe: TrainingRecipe;
  /** Bytes of RAM for all tables together, which then lie on disk; undefined: they are held in RAM. */
  readonly tableMemory: number | undefined;
  readonly logPath: (layerId: number) => string;
}

/** The tables of a run. Throws `InvalidConfigError`, with the numbers, where the memory is too small. */
export function trainedTables(
  shapes: readonly TableShape[],
  { columns, recipe, tableMemory, logPath }: TrainedTablesOptions,
): TrainedTable[] {
  if (tableMemory === undefined) return shapes.map((shape) => new RamTable(shape));
  const allRows = shapes.reduce((n, { numRows }) => n + numRows, 0);
  const positions = recipe.batch * recipe.length * recipe.accumulate;
  return shapes.map((shape) => {
    const memory = planTableMemory({
      numRows: shape.numRows,
      // A row and its moment are one record.
      rowBytes: 4 * shape.headDim + 4,
      bytes: Math.floor((tableMemory * shape.numRows) / allRows),
      // Those of this step and of the next, which are read ahead; in the worst case all distinct.
      leastRows: 2 * positions * columns,
    });
    return new OutOfCoreTrainedTable(shape, { path: logPath(shape.layerId), memory });
  });
}

function usesSource({
  layerId,
  numRows,
  uses,
}: Pick<TrainedTable, "layerId" | "numRows" | "uses">): TensorSource {
  return { name: usesName(layerId), dtype: "U8", shape: [numRows], chunks: () => uses.segments };
}

/** Checkpoints of version 2 have no uses: those before are then forgotten, and counting begins at zero. */
async function restoreUses(
  { uses }: Pick<TrainedTable, "uses">,
  { model, names, hasUses }: SavedTable,
): Promise<void> {
  if (hasUses) await fill(names.uses, { from: model, into: uses });
}

/** Tensor of a checkpoint that says where each row is in its log. */
export function rowsName(layerId: number): string {
  return `rows.${layerId}`;
}

/** The row log of a layer, beside the checkpoints that refer to it. */
export function rowLogName(layerId: number): string {
  return `layer-${layerId}.rows`;
}

/** As in a model directory (`table-tensors.ts`, `table-counts.ts`). */
export function valuesName(layerId: number): string {
  return layerName(layerId, "engram.embed.weight");
}

export function usesName(layerId: number): string {
  return layerName(layerId, "engram.counts");
}

async function fill(
  name: string,
  { from, into }: { from: SafetensorsFile; into: RamStore },
): Promise<void> {
  let begin = 0;
  for (const segment of into.segments) {
    const end = begin + segment.length;
    // The store is fresh, so rows that no step has met yet can stay untouched memory.
    await from.readRange(name, { begin, end, into: segment, isZeroed: true });
    begin = end;
  }
}

/** The sum of all chunks so far, of the sizes that `map` gives: of the sum before and the chunk's own. */
function chained(sum: number, chunk: Uint32Array): number {
  const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  return linearCrc32c(new Uint8Array(Uint32Array.of(sum, linearCrc32c(bytes)).buffer));
}

function hex(sum: number): string {
  return sum.toString(16).padStart(8, "0");
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
