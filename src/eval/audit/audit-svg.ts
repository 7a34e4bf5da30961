/**
 * An audit as a picture: every row's difference from the base with its interval, then the classes of tokens. Draws what
 * the report says.
 */
import { type IntervalPlot, intervalPlots } from "../interval-plot.ts";
import { type AuditReport, GROUP_HEADS, kindsOf } from "./report.ts";

/** The differences of a report as a picture, with their intervals. */
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

function rowsPlot({ rows, base }: AuditReport): IntervalPlot {
  const sections = Object.entries(GROUP_HEADS).map(([group, name]) => ({
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

/** For each kind of classes, one plot for every path that is compared. */
function classPlots({ classes: all, base }: AuditReport): IntervalPlot[] {
  return kindsOf(all).map(({ head, classes }) => ({
    title: `nats a token more than "${base}", ${head}`,
    unit: "nats a token",
    sections: Object.keys(classes[0]!.differences).map((name) => ({
      name,
      marks: classes.map((one) => ({
        label: one.name,
        value: one.differences[name]!.mean,
        plusMinus: one.differences[name]!.plusMinus,
        figure: `${one.tokens.toLocaleString("en-US")} tokens`,
      })),
    })),
  }));
}
