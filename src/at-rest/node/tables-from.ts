/**
 * How the tables of a training begin: with zeros, or with given rows, such as another model's, or noise that must show
 * what a pathway alone is worth. Knows tables and formats; not what is trained with them.
 */
import { InvalidConfigError } from "../../errors.ts";
import { convertedRows, type RetrievalTable } from "../../memory/index.ts";
import type { TrainedTable } from "../trained-table.ts";

/** Checks that each table has rows to begin with, and gives what begins them. Throws `InvalidConfigError` otherwise. */
export function tablesFrom(
  given: readonly RetrievalTable[] | undefined,
  tables: readonly TrainedTable[],
): () => Promise<void> {
  const sizeOf = (table: { layerId: number; numRows: number; headDim: number }): string =>
    `layer ${table.layerId}: ${table.numRows} rows of ${table.headDim} values`;
  const found = given?.map(({ layerId, store, format }) =>
    sizeOf({ layerId, numRows: store.numRows, headDim: format.headDim }),
  );
  const expected = tables.map(sizeOf);
  if (found !== undefined && found.join() !== expected.join())
    throw new InvalidConfigError(
      `the tables to begin with are ${found.join("; ") || "none"}; the model's are ${expected.join("; ") || "none"}`,
    );
  return async () => {
    for (const [i, table] of tables.entries()) {
      await table.begin();
      if (given !== undefined) await fill(table, given[i]!);
    }
  };
}

async function fill(
  { values, withoutFold, headDim }: TrainedTable,
  from: RetrievalTable,
): Promise<void> {
  let first = 0;
  for await (const bytes of convertedRows(from, "f32")) {
    const count = bytes.length / (4 * headDim);
    const rows = Uint32Array.from({ length: count }, (_, i) => first + i);
    for (const into of [values, ...withoutFold.map((ofFold) => ofFold.values)])
      await into.write(rows, bytes);
    first += count;
  }
}
