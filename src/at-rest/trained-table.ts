/**
 * The interface of a table in training: what it adds to a checkpoint, and how it is restored from one. The two kinds
 * are in `ram-table.ts` and `out-of-core-table.ts`. Knows tensors by name; not steps, texts or recipes.
 */
import type { SafetensorsFile, TensorSource } from "../checkpoint/index.ts";
import type { RamStore, RowStore, TrainedRows } from "../memory/index.ts";
import type { RowLogState } from "./row-logs.ts";
import { countsName } from "./table-counts.ts";

export interface TableShape {
  readonly layerId: number;
  readonly headDim: number;
  readonly numRows: number;
}

/** What a table adds to a checkpoint. */
export interface TableSnapshot {
  /** Tensors of the model. */
  readonly model: readonly TensorSource[];
  /** Tensors that only training needs. */
  readonly tensors: readonly TensorSource[];
  /** Its entry in state.json, known after the tensors were written; undefined: none. */
  state(): RowLogState | undefined;
}

/** A checkpoint on disk that holds a snapshot of this table. */
export interface SavedTable {
  readonly path: string;
  /** Has the rows, unless they are out of core, and their uses. */
  readonly model: SafetensorsFile;
  /** Whether they have the names that they have in a finished model. Before version 4 of state.json they have not. */
  readonly hasModelNames: boolean;
  readonly tensors: SafetensorsFile;
  readonly state: RowLogState | undefined;
  /** Whether it has the uses of rows. */
  readonly hasUses: boolean;
}

export interface TrainedTable extends TableShape, TrainedRows {
  /** Rows as large as these for each fold of the training text (`CrossFittedRows`). Empty: there are no folds. */
  readonly withoutFold: readonly TrainedRows[];
  /** A use code for each row (`countUses`), always in RAM. */
  readonly uses: RamStore;
  /** A sentence on its place and memory; undefined for a table in RAM. */
  readonly plan: string | undefined;
  /** Creates a table of zeros. Call either this or `restore` before the first use. */
  begin(): Promise<void>;
  /** A second attempt, with an older checkpoint, keeps nothing of the first. */
  restore(saved: SavedTable): Promise<void>;
  /** Keeps the rows of another checkpoint. */
  hold(saved: SavedTable): Promise<void>;
  /** For a checkpoint. No step may run meanwhile. */
  snapshot(): Promise<TableSnapshot>;
  /** The last snapshot is now on disk at `path`. `kept` are the paths of all checkpoints on disk. */
  committed(path: string, kept: readonly string[]): void;
  /** The final values, to be read from first row to last. Nothing may be written after that. */
  finished(): Promise<RowStore>;
  close(): Promise<void>;
}

export function usesSource({
  layerId,
  numRows,
  uses,
}: Pick<TrainedTable, "layerId" | "numRows" | "uses">): TensorSource {
  return { name: countsName(layerId), dtype: "U8", shape: [numRows], chunks: () => uses.segments };
}

/** In whatever state the uses are. Checkpoints of version 2 have none: counts then start at zero. */
export async function restoreUses(
  { layerId, uses }: Pick<TrainedTable, "layerId" | "uses">,
  { model, hasModelNames, hasUses }: SavedTable,
): Promise<void> {
  const name = hasModelNames ? countsName(layerId) : `counts.${layerId}`;
  if (hasUses) await fill(name, { from: model, into: uses });
  else for (const segment of uses.segments) segment.fill(0);
}

/** Reads a tensor into a table. In one that is `isZeroed`, pages of zeros stay untouched. */
export async function fill(
  name: string,
  { from, into, isZeroed = false }: { from: SafetensorsFile; into: RamStore; isZeroed?: boolean },
): Promise<void> {
  let begin = 0;
  for (const segment of into.segments) {
    const end = begin + segment.length;
    await from.readRange(name, { begin, end, into: segment, isZeroed });
    begin = end;
  }
}
