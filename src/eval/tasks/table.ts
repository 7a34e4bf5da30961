/** Results as the Markdown table that lm-evaluation-harness prints. Knows figures; not where they come from. */
import type { HarnessResults } from "./results.ts";

const headers = ["Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"];

/** The table that lm-evaluation-harness prints, in Markdown. */
export function harnessTable(found: HarnessResults): string {
  const rows: string[][] = [];
  const parts = new Set(Object.values(found.group_subtasks).flat());
  for (const [task, figures] of Object.entries(found.results)) {
    let name = parts.has(task) ? ` - ${task}` : task;
    let version = String(found.versions[task] ?? "");
    // In the order of their names, as in the harness.
    for (const key of Object.keys(figures).toSorted(byCodePoint)) {
      const [metric, filter] = key.split(",") as [string, string | undefined];
      if (filter === undefined || metric.endsWith("_stderr")) continue;
      const error = figures[`${metric}_stderr,${filter}`];
      const isBetter = found.higher_is_better[task]?.[metric];
      rows.push([
        name,
        version,
        filter,
        String(found["n-shot"][task] ?? " "),
        metric,
        isBetter === undefined ? "" : isBetter ? "↑" : "↓",
        fixed(figures[key]),
        "±",
        typeof error === "number" ? error.toFixed(4) : "   N/A",
      ]);
      name = "";
      version = "";
    }
  }
  return markdown(headers, rows);
}

function byCodePoint(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function fixed(value: unknown): string {
  return typeof value === "number" ? value.toFixed(4) : String(value);
}

const number = /^\s*[+-]?\d[\d.]*(?:e[+-]?\d+)?\s*$/;

/**
 * A table whose columns are as wide as their contents, in the layout of pytablewriter: numbers are right-aligned, and
 * numbers in columns with words have no trailing zeros.
 */
export function markdown(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = heads.map((head, c) => {
    const cells = rows.map((row) => row[c]!);
    const filled = cells.filter((cell) => cell.trim() !== "");
    const isNumber = filled.length > 0 && filled.every((cell) => number.test(cell));
    const shown = cells.map((cell) => (isNumber || !number.test(cell) ? cell : whole(cell)));
    const width = Math.max(3, ...[head, ...shown].map((text) => text.length));
    return { width, isNumber, shown };
  });
  const line = (cells: readonly string[]): string => `|${cells.join("|")}|\n`;
  return (
    line(heads.map((head, c) => centred(head, columns[c]!.width))) +
    line(
      columns.map(({ width, isNumber }) =>
        isNumber ? `${"-".repeat(width - 1)}:` : "-".repeat(width),
      ),
    ) +
    rows
      .map((_, r) =>
        line(
          columns.map(({ width, shown }) =>
            number.test(shown[r]!) ? shown[r]!.padStart(width) : shown[r]!.padEnd(width),
          ),
        ),
      )
      .join("")
  );
}

/** "0.0000" -> "0" */
function whole(cell: string): string {
  return Number.isInteger(Number(cell)) ? String(Number(cell)) : cell;
}

function centred(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return text.padStart(text.length + left).padEnd(width);
}
