/** Milliseconds as text, in the unit that reads best. */
export function time(milliseconds: number): string {
  const [value, unit] =
    milliseconds < 1
      ? [1000 * milliseconds, "µs"]
      : milliseconds < 1000
        ? [milliseconds, "ms"]
        : [milliseconds / 1000, "s"];
  return `${Number(value.toPrecision(value >= 100 ? 3 : 2))} ${unit}`;
}

export interface TimeBar {
  readonly from: number;
  readonly to: number;
  readonly count: number;
}

/** Bars of equal width on a logarithmic axis, four a factor of ten, from the shortest time to the longest. */
export function timeBars(histogram: readonly (readonly [number, number])[]): TimeBar[] {
  if (histogram.length === 0) return [];
  // A time lies below its bucket's upper end; the middle of the bucket is a twentieth lower.
  const places = histogram.map(([upTo]) => Math.floor(4 * Math.log10(upTo / 1.05)));
  const first = Math.min(...places);
  const bars = Array.from({ length: Math.max(...places) - first + 1 }, (_, i) => ({
    from: 10 ** ((first + i) / 4),
    to: 10 ** ((first + i + 1) / 4),
    count: 0,
  }));
  for (const [i, [, count]] of histogram.entries()) bars[places[i]! - first]!.count += count;
  return bars;
}
