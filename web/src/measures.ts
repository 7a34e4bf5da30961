/** Numbers of a report by which a token strip may be coloured, with their scales and their words. */
import type { InspectReport } from "../../src/inspect/report.ts";
import { diverging, type Scale, sequential } from "./colour.ts";
import { fixed, percent, signed } from "./format.ts";
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

const readsAfter =
  "The memory is read when a token has been read, and acts on the token behind it.";

const gate: Measure = {
  name: "gate",
  title: "Gate",
  legend: "gate after each token, 0 shut to 1 open",
  isOfLayer: true,
  note: readsAfter,
  values: (report, { layer, branch }) =>
    layerOf(report, layer)?.after.gates.map((gates) => gates[branch]) ?? noValues(report),
  scale: (values, { theme, isFitted }) =>
    sequential({ ...(isFitted ? rangeOf(values) : { low: 0, high: 1 }), theme }),
  says: (value) => `gate ${fixed(value, 3)}`,
  format: (value) => fixed(value, 2),
};

const written: Measure = {
  name: "written",
  title: "Size written",
  legend: "value written after each token, of the stream's length",
  isOfLayer: true,
  note: readsAfter,
  values: (report, { layer }) => {
    const found = layerOf(report, layer)?.after;
    return found === undefined
      ? noValues(report)
      : found.written.map((size, t) => (found.stream[t]! > 0 ? size / found.stream[t]! : 0));
  },
  scale: (values, { theme, isFitted }) => {
    const { low, high } = rangeOf(values);
    return sequential({ low: isFitted ? low : 0, high, theme });
  },
  says: (value) => `${percent(value)} of the stream written`,
  format: percent,
};

const change: Measure = {
  name: "change",
  title: "Change in loss",
  legend: "loss with the memory, against loss without",
  isOfLayer: false,
  note: "Each token's loss is changed by what was read before it: at the token in front of it, most of all.",
  values: (report) => lossChanges(report),
  scale: (values, { theme }) => {
    const { low, high } = rangeOf(values);
    return diverging({ most: Math.max(0.5, Math.abs(low), Math.abs(high)), theme });
  },
  says: (value) => `${signed(value, 2)} bits`,
  format: bitsApart,
};

const measures: readonly Measure[] = [gate, written, change];
export const changeMeasure: Measure = change;

/** Those that a model with so many layers of learned rows has; counts have no gate, and write into no layer. */
export function measuresWith(layers: number): readonly Measure[] {
  return layers > 0 ? measures : measures.filter(({ isOfLayer }) => !isOfLayer);
}

/** By its name in the address, or the first. */
export function measureOf(name: string | undefined, layers: number): Measure {
  const known = measuresWith(layers);
  return known.find((each) => each.name === name) ?? known[0]!;
}

/** How far two losses lie apart, in words that need no sign. */
export function bitsApart(apart: number): string {
  const bits = `${fixed(Math.abs(apart), 1)} bits`;
  return apart < 0 ? `${bits} less: it helped` : `${bits} more: it hurt`;
}

/** Loss with the memory less loss without it, in bits a token; negative where the memory helps. */
export function lossChanges({ log_probs: { on, off } }: InspectReport): (number | undefined)[] {
  return on.map((inUse, t) => {
    const without = off[t];
    return inUse === null || without === null || without === undefined
      ? undefined
      : (without - inUse) / Math.LN2;
  });
}

function layerOf({ layers }: InspectReport, layer: number | undefined) {
  return layers.find((each) => each.layer === layer) ?? layers[0];
}

function noValues({ tokens }: InspectReport): undefined[] {
  return tokens.map(() => undefined);
}

function rangeOf(values: readonly (number | undefined)[]): { low: number; high: number } {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === undefined) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? { low, high } : { low: 0, high: 1 };
}
