/**
 * Counts and times in Prometheus' text format (version 0.0.4), under the stems that vLLM uses with
 * `engram_` before them, so that dashboards need only another prefix. Knows no requests.
 */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  lines(): string[];
}

/** Bucket bounds of vLLM's histograms, seconds. */
const firstTokenBounds = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
];
const interTokenBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1,
];
const requestBounds = [
  0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120,
];

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

  lines(): string[] {
    return [...this.#values].map(([value, count]) =>
      this.#label === undefined
        ? `${this.name} ${count}`
        : `${this.name}{${this.#label}="${value}"} ${count}`,
    );
  }
}

/** A value that lies elsewhere and is read when somebody asks; with a label, one for each of its values. */
export class Reading implements Metric {
  readonly type: "gauge" | "counter";
  readonly name: string;
  readonly help: string;
  readonly #label: string | undefined;
  readonly #read: () => number | readonly (readonly [label: string, value: number])[];

  constructor(
    name: string,
    {
      help,
      read,
      label,
      type = "gauge",
    }: {
      help: string;
      read: () => number | readonly (readonly [label: string, value: number])[];
      label?: string;
      type?: "gauge" | "counter";
    },
  ) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.#label = label;
    this.#read = read;
  }

  lines(): string[] {
    const found = this.#read();
    if (typeof found === "number") return [`${this.name} ${found}`];
    return found.map(([value, count]) => `${this.name}{${this.#label}="${value}"} ${count}`);
  }
}

export class Histogram implements Metric {
  readonly type = "histogram";
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  /** One a bound, and one for what lies above. Not cumulative. */
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

  lines(): string[] {
    let total = 0;
    const buckets = this.#counts.map((count, i) => {
      total += count;
      return `${this.name}_bucket{le="${this.#bounds[i] ?? "+Inf"}"} ${total}`;
    });
    return [...buckets, `${this.name}_sum ${this.#sum}`, `${this.name}_count ${total}`];
  }
}

/** What is read when somebody asks, in place of being counted. */
export interface Readings {
  readonly numRunning: number;
  readonly numWaiting: number;
  readonly cacheUsage: number;
  readonly prefixCache: { readonly queries: number; readonly hits: number };
}

export class Metrics {
  readonly firstToken: Histogram = new Histogram(
    "engram_time_to_first_token_seconds",
    "From a request's arrival to its first token.",
    firstTokenBounds,
  );
  readonly interToken: Histogram = new Histogram(
    "engram_inter_token_latency_seconds",
    "Between two tokens of a text.",
    interTokenBounds,
  );
  readonly request: Histogram = new Histogram(
    "engram_e2e_request_latency_seconds",
    "From a request's arrival to the end of its text.",
    requestBounds,
  );
  readonly promptTokens: Counter = new Counter(
    "engram_prompt_tokens_total",
    "Prompt tokens of texts that were begun.",
  );
  readonly generationTokens: Counter = new Counter(
    "engram_generation_tokens_total",
    "Tokens generated.",
  );
  readonly finished: Counter = new Counter(
    "engram_request_success_total",
    "Texts that came to their end, by reason.",
    { label: "finished_reason" },
  );
  readonly #metrics: readonly Metric[];

  /** `others` follow those that every server has. */
  constructor(read: () => Readings, others: readonly Metric[] = []) {
    const gauge = (name: string, help: string, of: (now: Readings) => number): Metric =>
      new Reading(name, { help, read: () => of(read()) });
    const counter = (name: string, help: string, of: (now: Readings) => number): Metric =>
      new Reading(name, { help, read: () => of(read()), type: "counter" });
    this.#metrics = [
      gauge("engram_num_requests_running", "Texts being generated.", (now) => now.numRunning),
      gauge("engram_num_requests_waiting", "Texts waiting for a slot.", (now) => now.numWaiting),
      gauge(
        "engram_kv_cache_usage_perc",
        "Share of the caches in use, 1 for all.",
        (now) => now.cacheUsage,
      ),
      counter(
        "engram_prefix_cache_queries_total",
        "Prompt tokens looked up in the prefix cache.",
        (now) => now.prefixCache.queries,
      ),
      counter(
        "engram_prefix_cache_hits_total",
        "Prompt tokens found there.",
        (now) => now.prefixCache.hits,
      ),
      this.promptTokens,
      this.generationTokens,
      this.finished,
      this.firstToken,
      this.interToken,
      this.request,
      ...others,
    ];
  }

  /** The whole exposition. */
  text(): string {
    return this.#metrics
      .flatMap(({ name, help, type, lines }, i) => [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} ${type}`,
        ...lines.call(this.#metrics[i]),
      ])
      .map((line) => `${line}\n`)
      .join("");
  }
}
