/**
 * A table while it is trained, as checkpoints see it: what it adds to one, and how it is restored from one. The two kinds
 * are in `ram-table.ts` and `out-of-core-table.ts`. Knows tensors by name; not steps, texts or recipes.
 */
import type { SafetensorsFile, TensorSource } from "../../checkpoint/node/index.ts";
import type { RamStore, RowStore, WritableRowStore } from "../../memory/index.ts";
import type { RowLogState } from "../row-logs.ts";
import { countsName } from "../table-counts.ts";

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

export function usesSource({
  layerId,
  numRows,
  uses,
}: Pick<TrainedTable, "layerId" | "numRows" | "uses">): TensorSource {
  return { name: countsName(layerId), dtype: "U8", shape: [numRows], chunks: () => uses.segments };
}

/** Checkpoints of version 2 have no uses: those before are then forgotten, and counting begins at zero. */
export async function restoreUses(
  { layerId, uses }: Pick<TrainedTable, "layerId" | "uses">,
  { model, hasModelNames, hasUses }: SavedTable,
): Promise<void> {
  const name = hasModelNames ? countsName(layerId) : `counts.${layerId}`;
  if (hasUses) await fill(name, { from: model, into: uses });
}

/** Reads a tensor into a table that is still zeros. */
export async function fill(
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
