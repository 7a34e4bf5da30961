/**
 * What a server counts and times, under the stems that vLLM uses with `engram_` before them and its label
 * `model_name`, so that dashboards need only another prefix. Knows no requests.
 */
import { Counter, exposition, Histogram, type Metric, reading } from "./prometheus.ts";

/** Bucket bounds of vLLM's histograms, seconds. */
const firstTokenBounds = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40,
];
const interTokenBounds = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1,
];
/** vLLM's begin at 0.3; a small model is done before. */
const requestBounds = [
  0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120,
];
const tokenBounds = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000];

/** What is read when somebody asks. */
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
  readonly queue: Histogram = new Histogram(
    "engram_request_queue_time_seconds",
    "From a request's arrival to its slot.",
    requestBounds,
  );
  readonly prefill: Histogram = new Histogram(
    "engram_request_prefill_time_seconds",
    "From a request's slot to the end of its prompt.",
    requestBounds,
  );
  readonly decode: Histogram = new Histogram(
    "engram_request_decode_time_seconds",
    "From a text's first token to its last.",
    requestBounds,
  );
  readonly promptLength: Histogram = new Histogram(
    "engram_request_prompt_tokens",
    "Prompt tokens of a text.",
    tokenBounds,
  );
  readonly generationLength: Histogram = new Histogram(
    "engram_request_generation_tokens",
    "Generated tokens of a text.",
    tokenBounds,
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
  readonly #modelName: string;

  /** `others` follow those that every server has. */
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
        "Share of the caches in use, 1 for all.",
        (r) => r.cacheUsage,
      ),
      counter(
        "engram_prefix_cache_queries_total",
        "Prompt tokens looked up in the prefix cache.",
        (r) => r.prefixCache.queries,
      ),
      counter(
        "engram_prefix_cache_hits_total",
        "Prompt tokens found there.",
        (r) => r.prefixCache.hits,
      ),
      this.promptTokens,
      this.generationTokens,
      this.finished,
      this.firstToken,
      this.interToken,
      // Until 2025 vLLM had no other name for it, and many dashboards still do not.
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

  /** The whole exposition. */
  text(): string {
    return exposition(this.#metrics, { model_name: this.#modelName });
  }
}
