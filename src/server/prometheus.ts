/**
 * Counters, gauges and histograms in Prometheus' text format (version 0.0.4). Does not know what is counted.
 */
import type { Counter, Histogram } from "./tallies.ts";

/** Label values by label name. */
export type Labels = Readonly<Record<string, string>>;

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** Lines of the exposition. Each gets the given `labels`. */
  lines(labels: Labels): string[];
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

/** Of a counter without a label there is one number. */
export function counter(
  name: string,
  { help, of: { counts }, label }: { help: string; of: Counter; label?: string },
): Metric {
  const read = (): Readable => (label === undefined ? (counts.get("") ?? 0) : [...counts]);
  return reading(name, { help, read, type: "counter", ...(label !== undefined && { label }) });
}

/** One number, or one number per label value. */
type Readable = number | readonly (readonly [label: string, value: number])[];

/** A metric whose value is read at each scrape. */
export function reading(
  name: string,
  {
    help,
    read,
    label = "",
    type = "gauge",
  }: { help: string; read: () => Readable; label?: string; type?: "gauge" | "counter" },
): Metric {
  const lines = (labels: Labels): string[] => {
    const found = read();
    if (typeof found === "number") return [sample(name, labels, found)];
    return found.map(([value, count]) => sample(name, { ...labels, [label]: value }, count));
  };
  return { name, help, type, lines };
}

export function histogram(
  name: string,
  { help, of: { bounds, counts, sum } }: { help: string; of: Histogram },
): Metric {
  const lines = (labels: Labels): string[] => {
    let total = 0;
    const buckets = counts.map((count, i) => {
      total += count;
      const le = `${bounds[i] ?? "+Inf"}`;
      return sample(`${name}_bucket`, { ...labels, le }, total);
    });
    return [...buckets, sample(`${name}_sum`, labels, sum), sample(`${name}_count`, labels, total)];
  };
  return { name, help, type: "histogram", lines };
}

/** The text of a scrape: all metrics, each with its help and type. */
export function exposition(metrics: readonly Metric[], labels: Labels): string {
  return metrics
    .flatMap((metric) => [
      `# HELP ${metric.name} ${metric.help}`,
      `# TYPE ${metric.name} ${metric.type}`,
      ...metric.lines(labels),
    ])
    .map((line) => `${line}\n`)
    .join("");
}
