/**
 * The server's metrics. Names are vLLM's with the prefix `engram_` in place of `vllm:`, and so is the label
 * `model_name`: a dashboard for vLLM needs another prefix only. Knows no requests.
 */
import { Counter, exposition, Histogram, type Metric, reading } from "./prometheus.ts";

/** Bucket bounds of vLLM's histograms, seconds. */
const firstTokenBounds = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
];
const interTokenBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1,
];
/** vLLM's begin at 0.3 s; a small model is faster. */
const requestBounds = [
  0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120,
];
const tokenBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000];

/** Values that are read at each scrape. */
export interface Readings {
  readonly numRunning: number;
  readonly numWaiting: number;
  readonly cacheUsage: number;
  readonly prefixCache: { readonly queries: number; readonly hits: number };
}

export class Metrics {
  readonly firstToken: Histogram = new Histogram(
    "engram_time_to_first_token_seconds",
    "Time from a request's arrival to its first token.",
    firstTokenBounds,
  );
  readonly interToken: Histogram = new Histogram(
    "engram_inter_token_latency_seconds",
    "Time between two tokens of a text.",
    interTokenBounds,
  );
  readonly request: Histogram = new Histogram(
    "engram_e2e_request_latency_seconds",
    "Time from a request's arrival to the end of its text.",
    requestBounds,
  );
  readonly queue: Histogram = new Histogram(
    "engram_request_queue_time_seconds",
    "Time from a request's arrival until it gets a slot.",
    requestBounds,
  );
  readonly prefill: Histogram = new Histogram(
    "engram_request_prefill_time_seconds",
    "Time from getting a slot to the end of the prompt.",
    requestBounds,
  );
  readonly decode: Histogram = new Histogram(
    "engram_request_decode_time_seconds",
    "Time from a text's first token to its last.",
    requestBounds,
  );
  readonly promptLength: Histogram = new Histogram(
    "engram_request_prompt_tokens",
    "Prompt tokens per text.",
    tokenBounds,
  );
  readonly generationLength: Histogram = new Histogram(
    "engram_request_generation_tokens",
    "Generated tokens per text.",
    tokenBounds,
  );
  readonly promptTokens: Counter = new Counter("engram_prompt_tokens_total", "Prompt tokens read.");
  readonly generationTokens: Counter = new Counter(
    "engram_generation_tokens_total",
    "Tokens generated.",
  );
  readonly finished: Counter = new Counter(
    "engram_request_success_total",
    "Finished texts, by reason.",
    { label: "finished_reason" },
  );
  readonly #metrics: readonly Metric[];
  readonly #modelName: string;

  /** `others` are listed after the metrics that all servers have. */
  constructor(
    modelName: string,
    { read, others = [] }: { read: () => Readings; others?: readonly Metric[] },
  ) {
    this.#modelName = modelName;
    const now =
      (type: "gauge" | "counter") =>
      (name: string, help: string, of: (readings: Readings) => number): Metric =>
        reading(name, { help, read: () => of(read()), type });
    const [gauge, counter] = [now("gauge"), now("counter")];
    this.#metrics = [
      gauge("engram_num_requests_running", "Texts being generated.", (r) => r.numRunning),
      gauge("engram_num_requests_waiting", "Texts waiting for a slot.", (r) => r.numWaiting),
      gauge(
        "engram_kv_cache_usage_perc",
        "Share of the KV caches in use, from 0 to 1.",
        (r) => r.cacheUsage,
      ),
      counter(
        "engram_prefix_cache_queries_total",
        "Prompt tokens looked up in the prefix cache.",
        (r) => r.prefixCache.queries,
      ),
      counter(
        "engram_prefix_cache_hits_total",
        "Prompt tokens found in the prefix cache.",
        (r) => r.prefixCache.hits,
      ),
      this.promptTokens,
      this.generationTokens,
      this.finished,
      this.firstToken,
      this.interToken,
      // vLLM's only name for it until 2025; many dashboards still use it.
      this.interToken.alias("engram_time_per_output_token_seconds"),
      this.request,
      this.queue,
      this.prefill,
      this.decode,
      this.promptLength,
      this.generationLength,
      ...others,
    ];
  }

  /** The text of a scrape. */
  text(): string {
    return exposition(this.#metrics, { model_name: this.#modelName });
  }
}
