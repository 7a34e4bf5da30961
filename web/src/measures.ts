/** Numbers of a report by which a token strip may be coloured, with their scales and their words. */
import type { InspectReport } from "../../src/inspect/report.ts";
import { fixed, percent } from "./format.ts";
import { changeMeasure } from "./loss-change.ts";
import { type Measure, rangeOf } from "./measure.ts";
import { sequential } from "./sequential.ts";

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

const measures: readonly Measure[] = [gate, written, changeMeasure];

/** Those that a model with so many layers of learned rows has; counts have no gate, and write into no layer. */
export function measuresWith(layers: number): readonly Measure[] {
  return layers > 0 ? measures : measures.filter(({ isOfLayer }) => !isOfLayer);
}

/** By its name in the address, or the first. */
export function measureOf(name: string | undefined, layers: number): Measure {
  const known = measuresWith(layers);
  return known.find((each) => each.name === name) ?? known[0]!;
}

function layerOf({ layers }: InspectReport, layer: number | undefined) {
  return layers.find((each) => each.layer === layer) ?? layers[0];
}

function noValues({ tokens }: InspectReport): undefined[] {
  return tokens.map(() => undefined);
}
