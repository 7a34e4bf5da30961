/**
 * How far arms are apart, seed by seed: runs of one seed share the order of their text, so what is compared is the
 * difference within a seed. The interval is Student's t over the seeds, at 95 %. Knows numbers only.
 */
import { studentT } from "../numerics/index.ts";
import type { Prediction } from "./study-file.ts";

export interface Estimate {
  readonly mean: number;
  /** Half the width of the interval; null for fewer than two seeds. */
  readonly plusMinus: number | null;
  /** How many there were. */
  readonly seeds: number;
}

/** undefined without values. */
export function estimate(values: readonly number[]): Estimate | undefined {
  const n = values.length;
  if (n === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  if (n < 2) return { mean, plusMinus: null, seeds: n };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, plusMinus: studentT(n - 1) * Math.sqrt(variance / n), seeds: n };
}

/** Figures of one arm by seed; what is not known (yet) is absent. */
export type BySeed = ReadonlyMap<number, number>;

/** The weighted sum of the arms' figures, for each seed that every arm has. */
export function contrast(
  weights: Readonly<Record<string, number>>,
  figures: (arm: string) => BySeed,
): Map<number, number> {
  const arms = Object.entries(weights).map(([arm, weight]) => ({ weight, bySeed: figures(arm) }));
  const sums = new Map<number, number>();
  for (const seed of arms[0]?.bySeed.keys() ?? []) {
    const values = arms.map(({ weight, bySeed }) => weight * (bySeed.get(seed) ?? Number.NaN));
    const sum = values.reduce((total, value) => total + value, 0);
    if (!Number.isNaN(sum)) sums.set(seed, sum);
  }
  return sums;
}

/** "holds": the whole interval keeps the bound; "refuted": none of it does; else what was measured leaves it open. */
export type Verdict = "holds" | "refuted" | "undecided";

export function verdictOf(
  found: Estimate | undefined,
  { kind, value }: Prediction["bound"],
): Verdict {
  if (found === undefined || found.plusMinus === null) return "undecided";
  const sign = kind === "atMost" ? 1 : -1;
  const over = sign * (found.mean - value);
  if (over + found.plusMinus <= 0) return "holds";
  return over - found.plusMinus > 0 ? "refuted" : "undecided";
}
