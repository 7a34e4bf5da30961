/** The measure of the first view: how much the memory changed the loss of each token. */
import type { InspectReport } from "../../src/inspect/report.ts";
import { diverging } from "./diverging.ts";
import { fixed, signed } from "./format.ts";
import { type Measure, rangeOf } from "./measure.ts";

export const changeMeasure: Measure = {
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
