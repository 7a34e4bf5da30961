/** What a map of rows can be coloured by, with its scale and words. */
import type { Scale } from "../../colour.ts";
import { sequential } from "../../sequential.ts";
import { count, fixed, percent } from "../../format.ts";
import type { Theme } from "../../theme.svelte.ts";
import type { AreaRows } from "./memory-api.ts";

/** What is known of the bins of an area; reads are null where nobody counts. */
export interface AreaData {
  readonly rows: AreaRows | undefined;
  readonly reads: readonly number[] | null | undefined;
}

export type MeasureName = "norm" | "filled" | "use";

export interface Measure {
  readonly name: MeasureName;
  readonly title: string;
  readonly legend: string;
  /** One a bin; undefined where it is not known. */
  values(data: AreaData): (number | undefined)[];
  /** For the values of all maps that are shown together. */
  scale(values: readonly (number | undefined)[], theme: Theme): Scale;
  /** A value of the scale, as text. */
  format(value: number): string;
}

const known = (values: readonly (number | undefined)[]): number[] =>
  values.filter((value) => value !== undefined);

const ofSampled = (
  rows: AreaRows | undefined,
  value: (rows: AreaRows, bin: number) => number,
): (number | undefined)[] =>
  rows?.sampled.map((sampled, bin) => (sampled === 0 ? undefined : value(rows, bin))) ?? [];

export const measures: readonly Measure[] = [
  {
    name: "norm",
    title: "Length",
    legend: "mean length of the rows",
    values: ({ rows }) => ofSampled(rows, ({ mean_norm: norms }, bin) => norms[bin]!),
    scale: (values, theme) => sequential({ low: 0, high: highEnd(known(values)), theme }),
    format: (value) => fixed(value, 2),
  },
  {
    name: "filled",
    title: "Filled",
    legend: "share of rows that training has written",
    values: ({ rows }) =>
      ofSampled(rows, ({ non_zero: nonZero, sampled }, bin) => nonZero[bin]! / sampled[bin]!),
    scale: (_, theme) => sequential({ low: 0, high: 1, theme }),
    format: percent,
  },
  {
    name: "use",
    title: "Use",
    legend: "reads since the server started, logarithmic",
    values: ({ reads }) => [...(reads ?? [])].map((one) => Math.log2(1 + one)),
    scale: (values, theme) => sequential({ low: 0, high: Math.max(1, ...known(values)), theme }),
    format: (value) => count(Math.round(2 ** value - 1)),
  },
];

export function measureOf(name: string | undefined): Measure {
  return measures.find((one) => one.name === name) ?? measures[0]!;
}

/** Above all but one in two hundred: a few long rows must not make all others pale. */
function highEnd(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(0.995 * (sorted.length - 1))] || 1;
}
