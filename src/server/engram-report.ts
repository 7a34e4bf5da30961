/**
 * The part of an answer about the memory: columns with one entry for each position that was read. The last token of a
 * text is never read, so it has no entry.
 */
import type { Trace } from "../inference/index.ts";
import type { EngramOptions } from "./protocol.ts";

export interface EngramReport {
  /** Position of the first entry in the whole sequence, prompt included. */
  readonly start: number;
  readonly tokens: readonly number[];
  /** By layer: one gate for each position. */
  readonly gates?: Readonly<Record<string, readonly number[]>>;
  /** By layer: the rows of each position, with orders and heads in the order of the configuration. */
  readonly rows?: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** Undefined if nothing was asked for or nothing was read. */
export function engramReport(
  traces: readonly (Trace | undefined)[],
  options: EngramOptions | null | undefined,
): EngramReport | undefined {
  if (options === undefined || options === null) return undefined;
  const known = traces.filter((trace) => trace !== undefined);
  const [first] = known;
  if (first === undefined) return undefined;
  const layers = [...first.gates.keys()];
  return {
    start: first.start,
    tokens: known.flatMap(({ ids }) => ids),
    ...(options.return.includes("gates") && {
      gates: Object.fromEntries(
        layers.map((layer) => [layer, known.flatMap(({ gates }) => gates.get(layer)!)]),
      ),
    }),
    ...(options.return.includes("rows") && {
      rows: Object.fromEntries(
        layers.map((layer) => [layer, known.flatMap(({ rows }) => rows.get(layer)!)]),
      ),
    }),
  };
}
