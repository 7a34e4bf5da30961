/** A ratio of two sums over independent units. Knows numbers only. */

/** What one unit adds to the sums. */
export interface Unit {
  readonly value: number;
  /** 1 if the figure is a mean over units. */
  readonly weight: number;
}

/** Sum of values over sum of weights, with the ratio estimator's error (Cochran 1977, Sampling Techniques, 6.4). */
export function ratioOfSums(units: readonly Unit[]): {
  readonly value: number;
  /** Undefined for one unit, because it shows no variance. */
  readonly standardError: number | undefined;
} {
  const n = units.length;
  const weight = units.reduce((sum, unit) => sum + unit.weight, 0);
  const value = units.reduce((sum, unit) => sum + unit.value, 0) / weight;
  const squares = units.reduce((sum, unit) => sum + (unit.value - value * unit.weight) ** 2, 0);
  return { value, standardError: n < 2 ? undefined : Math.sqrt((squares * n) / (n - 1)) / weight };
}
