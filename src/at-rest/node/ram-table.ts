/** A trained table in memory: a checkpoint holds a copy of all of it. */
import { closeAll } from "../../disposal-stack.ts";
import type { TensorSource } from "../../checkpoint/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import { RamStore, type RowStore, USE_CODE_BYTES } from "../../memory/index.ts";
import { tableName } from "../table-tensors.ts";
import {
  fill,
  restoreUses,
  type SavedTable,
  type TableShape,
  type TableSnapshot,
  type TrainedTable,
  usesSource,
} from "./trained-table.ts";

export class RamTable implements TrainedTable {
  readonly layerId: number;
  readonly headDim: number;
  readonly numRows: number;
  readonly values: RamStore;
  readonly moments: RamStore;
  readonly uses: RamStore;
  readonly plan: undefined;
  #isZeroed = true;

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
    const { path, model, hasModelNames, tensors } = saved;
    const name = hasModelNames ? tableName(this.layerId) : `table.${this.layerId}`;
    if (!model.tensors.has(name))
      throw new InvalidConfigError(
        `${path} keeps its tables on disk; resume with a memory for them (--table-memory)`,
      );
    const isZeroed = this.#isZeroed;
    this.#isZeroed = false;
    await fill(name, { from: model, into: this.values, isZeroed });
    await fill(`moments.${this.layerId}`, { from: tensors, into: this.moments, isZeroed });
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
      model: [source(tableName(layerId), this.values, [numRows, headDim]), usesSource(this)],
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
