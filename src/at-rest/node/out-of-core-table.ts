/**
 * A trained table out of core: a checkpoint holds a map into the log that has the rows (docs/decisions/0019).
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { InvalidConfigError, StoreError } from "../../errors.ts";
import { closeAll } from "../../disposal-stack.ts";
import {
  RamStore,
  type RowStore,
  type TableMemoryPlan,
  type TrainedRows,
  USE_CODE_BYTES,
  type WritableRowStore,
} from "../../memory/index.ts";
import {
  type OutOfCoreStats,
  OutOfCoreTable,
  rowsInOrder,
} from "../../memory/stores/out-of-core/node/index.ts";
import { rowMapName } from "../row-logs.ts";
import { chainedSum, readRowMap, rowMapChunks, sumText } from "./row-map.ts";
import {
  restoreUses,
  type SavedTable,
  type TableShape,
  type TableSnapshot,
  type TrainedTable,
  usesSource,
} from "../trained-table.ts";

export class OutOfCoreTrainedTable implements TrainedTable {
  readonly layerId: number;
  readonly headDim: number;
  readonly numRows: number;
  readonly values: WritableRowStore;
  readonly moments: WritableRowStore;
  readonly withoutFold: readonly TrainedRows[] = [];
  readonly uses: RamStore;
  readonly #path: string;
  readonly #memory: TableMemoryPlan;
  #table: OutOfCoreTable | undefined;
  /** The pin of each checkpoint on disk, by its path. */
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
    // In a second attempt with an older checkpoint, nothing of the first may remain.
    await this.#table?.close();
    this.#pins.clear();
    this.#table = await OutOfCoreTable.open(this.#path, {
      ...this.#options(),
      identity: Buffer.from(state.log, "hex"),
      fill: (map) => readRowMap(path, { tensors: saved.tensors, state, map }),
    });
    this.#pins.set(path, await this.#table.pinMap(this.#map(saved)));
    await restoreUses(this, saved);
  }

  async hold(saved: SavedTable): Promise<void> {
    const table = this.#opened();
    // A checkpoint of another log needs no rows here.
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
          name: rowMapName(layerId),
          dtype: "I32",
          shape: [numRows],
          chunks: function* () {
            for (const chunk of table.map()) {
              sum = chainedSum(sum, chunk);
              yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
            }
          },
        },
      ],
      state: () => ({ layerId, log: hexOf(table.identity), mapSum: sumText(sum) }),
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

  /** A store over a part of the table, which is opened later. */
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

  #map({ tensors }: SavedTable): AsyncGenerator<Uint32Array> {
    return rowMapChunks(tensors, this);
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
