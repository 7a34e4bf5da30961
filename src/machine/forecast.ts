/**
 * Forecasts how fast a model decodes with its table in a given tier, from measurements. Measures nothing itself;
 * knows no store, no model and no machine.
 *
 * The time of a token is the time to compute plus the wait for its rows. All rows of a token (of all Engram layers)
 * are requested at once. Behind a cache each row is missed with the same probability, so the number of misses is
 * binomial. The cache serves the hits, the slower store the misses. Spreads are assumed to be independent, so
 * distances from mean to 99th percentile add as the root of the sum of squares: exact for normal distributions, a
 * little low for longer tails.
 */
import { InvalidConfigError } from "../errors.ts";

/** Milliseconds. */
export interface Spread {
  readonly mean: number;
  readonly p99: number;
}

/** The time to read `rows` random rows at once. */
export interface RowTime extends Spread {
  readonly rows: number;
}

export interface ForecastInput {
  /** Of all Engram layers together. */
  readonly rowsPerToken: number;
  /** A token without waiting for rows; unknown for a table without a model. */
  readonly compute?: Spread | undefined;
  /** Where hits are served from. */
  readonly memory: readonly RowTime[];
  /** Where the others are. Not needed if all are hits. */
  readonly misses?: readonly RowTime[];
  /** 0 to 1. */
  readonly hitRate: number;
}

export interface Forecast {
  /** Waiting for rows, of one token. */
  readonly stall: Spread;
  readonly token: Spread;
  /** The reciprocal of the mean; an upper limit where computing is not known. */
  readonly tokensPerSecond: number;
  /** Of a token's time, 0 to 1. */
  readonly stallShare: number;
}

export function forecast(input: ForecastInput): Forecast {
  const { rowsPerToken, compute = { mean: 0, p99: 0 }, memory, misses, hitRate } = input;
  if (!(hitRate >= 0 && hitRate <= 1))
    throw new InvalidConfigError(`a hit rate is from 0 to 1, got ${hitRate}`);
  if (hitRate < 1 && misses === undefined)
    throw new InvalidConfigError("where rows can be missed, say how long a miss takes");
  const served = timeOfRows(memory, rowsPerToken);
  const waited =
    misses === undefined || hitRate === 1
      ? { mean: 0, p99: 0 }
      : timeOfMisses(misses, { rows: rowsPerToken, missRate: 1 - hitRate });
  const stall = sumOf(served, waited);
  const token = sumOf(compute, stall);
  return {
    stall,
    token,
    tokensPerSecond: 1000 / token.mean,
    stallShare: stall.mean / token.mean,
  };
}

/**
 * The time to read `rows` rows at once: linear interpolation between measurements, constant below the first, linear
 * beyond the last. More rows never take less time: a measurement that says so is noise.
 */
export function timeOfRows(times: readonly RowTime[], rows: number): Spread {
  if (times.length === 0) throw new InvalidConfigError("a forecast needs at least one measurement");
  if (rows <= 0) return { mean: 0, p99: 0 };
  const rising: RowTime[] = [];
  for (const time of times.toSorted((a, b) => a.rows - b.rows)) {
    const before = rising.at(-1);
    const mean = Math.max(time.mean, before?.mean ?? 0);
    const p99 = Math.max(time.p99, mean, before?.p99 ?? 0);
    rising.push({ rows: time.rows, mean, p99 });
  }
  const first = rising[0]!;
  if (rows <= first.rows) return { mean: first.mean, p99: first.p99 };
  const at = rising.findIndex((time) => time.rows >= rows);
  const [low, high] =
    at > 0 ? [rising[at - 1]!, rising[at]!] : [rising.at(-2) ?? first, rising.at(-1)!];
  const span = high.rows - low.rows;
  // Only one measurement: proportional to the rows.
  if (span === 0) {
    const factor = rows / high.rows;
    return { mean: high.mean * factor, p99: high.p99 * factor };
  }
  const share = (rows - low.rows) / span;
  return {
    mean: low.mean + share * (high.mean - low.mean),
    p99: low.p99 + share * (high.p99 - low.p99),
  };
}

/** Rows are missed independently of each other; p99 is met or exceeded by one token in a hundred. */
function timeOfMisses(
  times: readonly RowTime[],
  { rows, missRate }: { rows: number; missRate: number },
): Spread {
  let mean = 0;
  let below = 0;
  let p99 = 0;
  for (let k = 0; k <= rows; k++) {
    const chance = binomial(rows, k, missRate);
    const time = timeOfRows(times, k);
    mean += chance * time.mean;
    // The slowest of k rows' times within the worst hundredth of the numbers of misses.
    if (below < 0.99) p99 = time.p99;
    below += chance;
  }
  return { mean, p99: Math.max(p99, mean) };
}

/** The chance of `k` in `n`, by logarithms: 144 rows a token would overflow factorials. */
function binomial(n: number, k: number, p: number): number {
  if (p === 0 || p === 1) return (p === 0 ? 0 : n) === k ? 1 : 0;
  let log = k * Math.log(p) + (n - k) * Math.log1p(-p);
  for (let i = 1; i <= k; i++) log += Math.log((n - k + i) / i);
  return Math.exp(log);
}

function sumOf(one: Spread, other: Spread): Spread {
  const mean = one.mean + other.mean;
  return { mean, p99: mean + Math.hypot(one.p99 - one.mean, other.p99 - other.mean) };
}
