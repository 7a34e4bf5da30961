/** What a measure is: a number a token by which a strip may be coloured, with its scale and its words. */
import type { InspectReport } from "../../src/inspect/report.ts";
import type { Scale } from "./colour.ts";
import type { Theme } from "./theme.svelte.ts";

export type MeasureName = "gate" | "written" | "change";

export interface Measure {
  readonly name: MeasureName;
  readonly title: string;
  /** Under the strip: what the colours are, with their unit. */
  readonly legend: string;
  /** Whether it is told layer by layer. */
  readonly isOfLayer: boolean;
  /** In one sentence, which token a number belongs to. */
  readonly note: string;
  /** One a token; undefined where there is none. */
  values(report: InspectReport, which: Which): (number | undefined)[];
  scale(values: readonly (number | undefined)[], options: ScaleOptions): Scale;
  /** With its words: "gate 0.53". */
  says(value: number): string;
  /** At the ends of the legend. */
  format(value: number): string;
}

/** A layer is told by its id. */
export interface Which {
  readonly layer: number | undefined;
  readonly branch: number;
}

export interface ScaleOptions {
  readonly theme: Theme;
  /** From the least to the greatest of the text, in place of the whole range. */
  readonly isFitted: boolean;
}

export function rangeOf(values: readonly (number | undefined)[]): { low: number; high: number } {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? { low, high } : { low: 0, high: 1 };
}
