/**
 * Ablation of learned rows: some rows of each table read as zeros. Every layer, order and head owns a range of rows, so
 * each part of a memory is a set of rows. Knows addresses and tables; no graphs.
 */
import { RequestError } from "../errors.ts";
import { HashedMemory } from "./hashed-memory.ts";
import { zeroed } from "./stores/wrappers/zeroed.ts";

/** Learned rows that read as zeros: everything that any of the lists names. Heads count from 0, orders from 2. */
export interface RowsAblation {
  readonly layers?: readonly number[];
  readonly orders?: readonly number[];
  readonly heads?: readonly number[];
  readonly rows?: readonly { readonly layer: number; readonly row: number }[];
}

/** The memory with the named parts reading as zeros. Throws `RequestError` for parts it does not have. */
export function ablated(memory: HashedMemory, ablation: RowsAblation): HashedMemory {
  const { layers = [], orders = [], heads = [], rows = [] } = ablation;
  const { layout } = memory.addressing;
  const { maxNgramSize, numHeads } = layout.config;
  const known = layout.layers.map(({ layerId }) => layerId);
  const check = (
    what: string,
    values: readonly number[],
    has: (value: number) => boolean,
  ): void => {
    const wrong = values.find((value) => !has(value));
    if (wrong !== undefined)
      throw new RequestError(
        `there is no ${what} ${wrong} to take away: layers ${known.join(", ")} carry memory, with ` +
          `orders 2..${maxNgramSize} and heads 0..${numHeads - 1}`,
      );
  };
  check("layer", [...layers, ...rows.map(({ layer }) => layer)], (id) => known.includes(id));
  check("order", orders, (order) => order >= 2 && order <= maxNgramSize);
  check("head", heads, (head) => head >= 0 && head < numHeads);
  for (const { layer, row } of rows) {
    const { numRows } = layout.layers[known.indexOf(layer)]!;
    if (row >= numRows)
      throw new RequestError(
        `there is no row ${row} to take away: layer ${layer} has rows 0..${numRows - 1}`,
      );
  }
  const tables = memory.tables.map((table) => {
    const { primes, offsets } = layout.layers[known.indexOf(table.layerId)]!;
    const ranges = primes.flatMap((prime, column) => {
      const order = 2 + Math.floor(column / numHeads);
      const isGone =
        layers.includes(table.layerId) ||
        orders.includes(order) ||
        heads.includes(column % numHeads);
      const begin = offsets[column]!;
      return isGone ? [{ begin, end: begin + prime }] : [];
    });
    const own = rows.filter(({ layer }) => layer === table.layerId).map(({ row }) => row);
    if (ranges.length === 0 && own.length === 0) return table;
    return { ...table, store: zeroed(table.store, { ranges, rows: own }) };
  });
  if (tables.every((table, i) => table === memory.tables[i])) return memory;
  // The same parts in another order have another identity. The only cost is that a cached prefix is not
  // reused.
  const identity = `${memory.identity} without ${JSON.stringify({ layers, orders, heads, rows })}`;
  return new HashedMemory({ ...memory, tables }, { identity });
}
