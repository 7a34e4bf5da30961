/**
 * The numeric matcher of all tests: says which element is worst and by how much. Knows no tensors.
 */
import { AssertionError } from "node:assert";

export interface Closeness {
  /** Allowed error as a part of the larger of |expected| and `magnitude`. */
  readonly rtol?: number;
  /** Allowed error in itself. */
  readonly atol?: number;
  /** Size of the terms that were added up to get each element (or all elements), where cancellation
   *  makes the result smaller than they are. */
  readonly magnitude?: ArrayLike<number> | number;
  /** What is compared, for the message. */
  readonly label?: string;
}

/**
 * Every |actual - expected| <= atol + rtol max(|expected|, magnitude). Without tolerances it asks for
 * equal numbers (0 and -0 are equal); infinities must be equal, and NaN is close only to NaN.
 */
export function toBeClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol = 0, atol = 0, magnitude = 0, label = "values" }: Closeness = {},
): void {
  if (actual.length !== expected.length)
    fail(`${label}: expected ${expected.length} elements, got ${actual.length}`, actual, expected);
  let worst = -1;
  let worstExcess = 1;
  let numBad = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, e] = [actual[i]!, expected[i]!];
    if (Object.is(a, e) || a === e) continue;
    const size = typeof magnitude === "number" ? magnitude : magnitude[i]!;
    const allowed = atol + rtol * Math.max(Math.abs(e), size);
    const excess = Math.abs(a - e) / allowed;
    if (excess <= 1) continue;
    numBad++;
    const rank = Number.isNaN(excess) ? Infinity : excess;
    if (worst < 0 || rank > worstExcess) [worst, worstExcess] = [i, rank];
  }
  if (worst < 0) return;
  fail(
    `${label}: worst at [${worst}] of ${expected.length}: expected ${expected[worst]}, got ${actual[worst]}, ` +
      `difference ${Math.abs(actual[worst]! - expected[worst]!)} is ${worstExcess.toPrecision(3)} times what is allowed; ` +
      `${numBad} elements are too far`,
    actual[worst],
    expected[worst],
  );
}

function fail(message: string, actual: unknown, expected: unknown): never {
  throw new AssertionError({ message, actual, expected, operator: "toBeClose" });
}
