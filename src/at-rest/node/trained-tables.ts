/** The tables of a run, in memory or out of core. Training sees stores either way. */
import { join } from "node:path";
import { planTableMemory } from "../../memory/index.ts";
import { rowLogName } from "../row-logs.ts";
import { OutOfCoreTrainedTable } from "./out-of-core-table.ts";
import { RamTable } from "../ram-table.ts";
import type { TableShape, TrainedTable } from "../trained-table.ts";

export interface TrainedTablesOptions {
  /** Rows that a token reads in each table. */
  readonly columns: number;
  /** Positions of a step, all of its passes together. */
  readonly positions: number;
  /** Folds of the text in which tables in RAM are cross-fitted. 0: none. */
  readonly folds: number;
  /** Bytes of RAM for all tables together, which are then on disk; undefined: tables are in RAM. */
  readonly tableMemory: number | undefined;
  /** For the logs of tables on disk. */
  readonly directory: string;
}

/** The tables of a run. Throws `InvalidConfigError`, with the numbers, where the memory is too small. */
export function trainedTables(
  shapes: readonly TableShape[],
  { columns, positions, folds, tableMemory, directory }: TrainedTablesOptions,
): TrainedTable[] {
  if (tableMemory === undefined) return shapes.map((shape) => new RamTable(shape, { folds }));
  const allRows = shapes.reduce((n, { numRows }) => n + numRows, 0);
  return shapes.map((shape) => {
    const memory = planTableMemory({
      numRows: shape.numRows,
      // A row and its moment are one record.
      rowBytes: 4 * shape.headDim + 4,
      bytes: Math.floor((tableMemory * shape.numRows) / allRows),
      // The rows of this step and of the next, which are prefetched; in the worst case all are distinct.
      leastRows: 2 * positions * columns,
    });
    return new OutOfCoreTrainedTable(shape, {
      path: join(directory, rowLogName(shape.layerId)),
      memory,
    });
  });
}
