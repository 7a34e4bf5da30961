/**
 * An audit as a picture: every row's difference from the base with its interval, then the classes of tokens. Draws what
 * the report says.
 */
import { type IntervalPlot, intervalPlots } from "../interval-plot.ts";
import type { AuditReport, ClassReport, RowReport } from "./report.ts";

export function auditSvg(report: AuditReport, { title }: { title: string }): string {
  return intervalPlots(
    [rowsPlot(report), ...classPlots(report)],
    [
      title,
      `${report.tokens.toLocaleString("en-US")} tokens; lines are 95 % intervals over ${report.blocks} blocks of tokens; ` +
        "right of 0 is worse",
    ],
  );
}

const SECTION_NAMES: Readonly<Record<RowReport["group"], string>> = {
  model: "the model",
  rows: "other rows",
  gate: "gate held",
  parts: "parts alone",
  counting: "counting the training text",
  "counting at equal bytes": "counting at the bytes of the table",
};

function rowsPlot({ rows, base }: AuditReport): IntervalPlot {
  const sections = Object.entries(SECTION_NAMES).map(([group, name]) => ({
    name,
    marks: rows
      .filter((row) => row.group === group)
      .map(({ name: label, bitsPerByte, difference }) => ({
        label,
        value: difference?.bitsPerByte ?? 0,
        plusMinus: difference?.plusMinusBitsPerByte ?? null,
        figure: bitsPerByte.toFixed(4),
      })),
  }));
  return {
    title: `bits per byte, and their difference from "${base}"`,
    unit: "bits per byte",
    sections,
  };
}

/** For each way of telling tokens apart, one plot of every path that is compared. */
function classPlots({ classes, base }: AuditReport): IntervalPlot[] {
  const kinds = new Map<string, ClassReport[]>();
  for (const one of classes) {
    const key = `${one.by} ${one.order}`;
    kinds.set(key, [...(kinds.get(key) ?? []), one]);
  }
  return Array.from(kinds.values(), (same): IntervalPlot => {
    const [{ by, order, differences }] = same as [ClassReport];
    const of =
      by === "training"
        ? `how often training read the ${order} ids before`
        : `whether the window shows the ${order} ids before`;
    return {
      title: `nats a token more than "${base}", by ${of}`,
      unit: "nats a token",
      sections: Object.keys(differences).map((name) => ({
        name,
        marks: same.map((one) => ({
          label: one.name,
          value: one.differences[name]!.mean,
          plusMinus: one.differences[name]!.plusMinus,
          figure: `${one.tokens.toLocaleString("en-US")} tokens`,
        })),
      })),
    };
  });
}
