/** What a report says of one token, arranged for the panel that shows it. Reads reports; asks nobody. */
import type { ColumnReport, InspectReport, LayerReport } from "../../src/inspect/report.ts";

/** One order of one layer at one token: the n-gram, and a row for each head. */
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

export function layerViews(report: InspectReport, index: number): LayerView[] {
  return report.layers.map((layer) => ({
    layer: layer.layer,
    gates: layer.gates[index]!,
    written: layer.written[index]!,
    stream: layer.stream[index]!,
    orders: ordersOf(layer).map((order) => orderView(report, { layer, order, index })),
  }));
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
              row: layer.rows[index]![c]!,
              norm: layer.norms[index]![c]!,
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
  for (const { norms } of layers)
    for (const row of norms) for (const norm of row) if (norm > largest) largest = norm;
  return largest;
}
