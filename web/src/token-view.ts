/** What a report says of one reading of the memory, arranged for the panel that shows it. Reads reports; asks nobody. */
import type { ColumnReport, InspectReport, LayerReport } from "../../src/inspect/report.ts";

/** One order of one layer in one reading: the n-gram, and a row for each head. */
export interface OrderView {
  readonly order: number;
  /** Oldest first; undefined stands for what lies before the beginning. */
  readonly tokens: readonly (string | undefined)[];
  readonly compressed: readonly (number | undefined)[];
  readonly rows: readonly {
    readonly head: number;
    readonly row: number;
    readonly norm: number;
    readonly column: ColumnReport;
  }[];
}

export interface LayerView {
  readonly layer: number;
  /** One for each branch. */
  readonly gates: readonly number[];
  readonly written: number;
  readonly stream: number;
  readonly orders: readonly OrderView[];
}

/** What was read after the token at `index`, for the one behind it. Nothing is read before the first. */
export function readingAfter(report: InspectReport, index: number): LayerView[] {
  if (index < 0 || index >= report.tokens.length) return [];
  return report.layers.map((layer) => ({
    layer: layer.layer,
    gates: layer.after.gates[index]!,
    written: layer.after.written[index]!,
    stream: layer.after.stream[index]!,
    orders: ordersOf(layer).map((order) => orderView(report, { layer, order, index })),
  }));
}

/** All that addresses the rows read after `index`: the longest n-gram, from where the text begins. */
export function lookBackAt(report: InspectReport, index: number): string[] {
  const longest = Math.max(1, ...report.layers.flatMap(ordersOf));
  const first = Math.max(Math.min(report.num_hidden, index), index - longest + 1);
  return report.tokens.slice(first, index + 1).map(({ text }) => text);
}

export function rowsOf(layers: readonly LayerView[]): { layer: number; row: number }[] {
  return layers.flatMap(({ layer, orders }) =>
    orders.flatMap(({ rows }) => rows.map(({ row }) => ({ layer, row }))),
  );
}

export function ordersOf({ columns }: Pick<LayerReport, "columns">): number[] {
  return [...new Set(columns.map(({ order }) => order))];
}

export function headsOf({ columns }: Pick<LayerReport, "columns">): number[] {
  return [...new Set(columns.map(({ head }) => head))];
}

function orderView(
  report: InspectReport,
  { layer, order, index }: { layer: LayerReport; order: number; index: number },
): OrderView {
  const places = Array.from({ length: order }, (_, i) => report.tokens[index - order + 1 + i]);
  return {
    order,
    tokens: places.map((token) => token?.text),
    compressed: places.map((token) => token?.compressed),
    rows: layer.columns.flatMap((column, c) =>
      column.order === order
        ? [
            {
              head: column.head,
              row: layer.after.rows[index]![c]!,
              norm: layer.after.norms[index]![c]!,
              column,
            },
          ]
        : [],
    ),
  };
}

/** The largest norm of any row in the text: what bars are drawn against. */
export function largestNorm({ layers }: InspectReport): number {
  let largest = 0;
  for (const { after } of layers)
    for (const row of after.norms) for (const norm of row) if (norm > largest) largest = norm;
  return largest;
}
