/** A trained table in memory, and those of its folds: a checkpoint holds a copy of all of it. */
import { closeAll } from "../disposal-stack.ts";
import type { TensorSource } from "../checkpoint/index.ts";
import { InvalidConfigError } from "../errors.ts";
import { RamStore, type RowStore, type TrainedRows, USE_CODE_BYTES } from "../memory/index.ts";
import { tableName } from "./table-tensors.ts";
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
  readonly withoutFold: readonly RowsInRam[];
  readonly uses: RamStore;
  readonly plan: undefined;
  #isZeroed = true;

  constructor(shape: TableShape, { folds = 0 }: { folds?: number } = {}) {
    const { layerId, headDim, numRows } = shape;
    this.layerId = layerId;
    this.headDim = headDim;
    this.numRows = numRows;
    const { values, moments } = rowsInRam(shape);
    this.values = values;
    this.moments = moments;
    this.withoutFold = Array.from({ length: folds }, () => rowsInRam(shape));
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
    if (this.withoutFold.length > 0 && !tensors.tensors.has(namesOf(this.layerId, 0).values))
      throw new InvalidConfigError(
        `${path} was saved by a release that kept no tables of folds (training.rowFolds), so the run cannot go on as it began: begin it again, into another --out`,
      );
    const isZeroed = this.#isZeroed;
    this.#isZeroed = false;
    await fill(name, { from: model, into: this.values, isZeroed });
    await fill(`moments.${this.layerId}`, { from: tensors, into: this.moments, isZeroed });
    for (const [fold, { values, moments }] of this.withoutFold.entries()) {
      const names = namesOf(this.layerId, fold);
      await fill(names.values, { from: tensors, into: values, isZeroed });
      await fill(names.moments, { from: tensors, into: moments, isZeroed });
    }
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
      tensors: [
        source(`moments.${layerId}`, this.moments, [numRows]),
        ...this.withoutFold.flatMap(({ values, moments }, fold) => {
          const names = namesOf(layerId, fold);
          return [
            source(names.values, values, [numRows, headDim]),
            source(names.moments, moments, [numRows]),
          ];
        }),
      ],
      state: () => undefined,
    };
  }

  committed(): void {}

  async finished(): Promise<RowStore> {
    return this.values;
  }

  async close(): Promise<void> {
    const ofFolds = this.withoutFold.flatMap(({ values, moments }) => [values, moments]);
    await closeAll([this.values, this.moments, this.uses, ...ofFolds]);
  }
}

interface RowsInRam extends TrainedRows {
  readonly values: RamStore;
  readonly moments: RamStore;
}

function rowsInRam({ numRows, headDim }: TableShape): RowsInRam {
  return {
    values: new RamStore({ numRows, rowBytes: 4 * headDim }),
    moments: new RamStore({ numRows, rowBytes: 4 }),
  };
}

/** The tensors of a fold's rows in a checkpoint. */
function namesOf(layerId: number, fold: number): { values: string; moments: string } {
  return {
    values: `folds.${fold}.table.${layerId}`,
    moments: `folds.${fold}.moments.${layerId}`,
  };
}
