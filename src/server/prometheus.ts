/**
 * Counters, gauges and histograms in Prometheus' text format (version 0.0.4). Does not know what is counted.
 */

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

export class Counter implements Metric {
  readonly type = "counter";
  readonly name: string;
  readonly help: string;
  readonly #label: string | undefined;
  readonly #values = new Map<string, number>();

  constructor(name: string, help: string, { label }: { label?: string } = {}) {
    this.name = name;
    this.help = help;
    this.#label = label;
    if (label === undefined) this.#values.set("", 0);
  }

  add(amount: number, value = ""): void {
    this.#values.set(value, (this.#values.get(value) ?? 0) + amount);
  }

  lines(labels: Labels): string[] {
    return [...this.#values].map(([value, count]) => {
      const own = this.#label === undefined ? labels : { ...labels, [this.#label]: value };
      return sample(this.name, own, count);
    });
  }
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

export class Histogram implements Metric {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  /** One count per bound, and one for values above the last bound. Not cumulative. */
  readonly #counts: number[];
  #sum = 0;

  constructor(name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    this.#counts = Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const at = this.#bounds.findIndex((bound) => value <= bound);
    const bucket = at === -1 ? this.#bounds.length : at;
    this.#counts[bucket] = this.#counts[bucket]! + 1;
    this.#sum += value;
  }

  lines(labels: Labels): string[] {
    return this.#linesAs(this.name, labels);
  }

  /** The same counts under another name. */
  alias(name: string): Metric {
    const lines = (labels: Labels): string[] => this.#linesAs(name, labels);
    return { name, help: `Older name of ${this.name}.`, type: this.type, lines };
  }

  #linesAs(name: string, labels: Labels): string[] {
    let total = 0;
    const buckets = this.#counts.map((count, i) => {
      total += count;
      const le = `${this.#bounds[i] ?? "+Inf"}`;
      return sample(`${name}_bucket`, { ...labels, le }, total);
    });
    return [
      ...buckets,
      sample(`${name}_sum`, labels, this.#sum),
      sample(`${name}_count`, labels, total),
    ];
  }
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
