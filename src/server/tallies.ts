/**
 * What is counted while texts are generated. Knows neither the names nor the format in which it is told: those are in
 * `metrics.ts`, loaded when somebody asks.
 */

export class Counter {
  /** By what was counted; "" where there is only one thing. */
  readonly counts: Map<string, number> = new Map();

  add(amount: number, of = ""): void {
    this.counts.set(of, (this.counts.get(of) ?? 0) + amount);
  }
}

export class Histogram {
  readonly bounds: readonly number[];
  /** One count per bound, and one for values above the last bound. Not cumulative. */
  readonly counts: number[];
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const at = this.bounds.findIndex((bound) => value <= bound);
    const bucket = at === -1 ? this.bounds.length : at;
    this.counts[bucket] = this.counts[bucket]! + 1;
    this.sum += value;
  }
}

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

/** Times are in seconds. */
export class Tallies {
  readonly firstToken: Histogram = new Histogram(firstTokenBounds);
  readonly interToken: Histogram = new Histogram(interTokenBounds);
  readonly request: Histogram = new Histogram(requestBounds);
  readonly queue: Histogram = new Histogram(requestBounds);
  readonly prefill: Histogram = new Histogram(requestBounds);
  readonly decode: Histogram = new Histogram(requestBounds);
  readonly promptLength: Histogram = new Histogram(tokenBounds);
  readonly generationLength: Histogram = new Histogram(tokenBounds);
  readonly promptTokens: Counter = new Counter();
  readonly generationTokens: Counter = new Counter();
  readonly finished: Counter = new Counter();
}
