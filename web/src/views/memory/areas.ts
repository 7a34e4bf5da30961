/** Parts of a table as maps of bins: where each bin lies, what to look at when one is opened. Knows no pixels. */
import type { Area, Bucket } from "./memory-api.ts";

/** Bins of a map that is looked at, and of one among many. */
const focusBins = 64 * 64;
const overviewBins = 32 * 32;

export interface TitledArea extends Area {
  readonly title: string;
  readonly bucket: Bucket;
}

export function titleOf({ order, head }: Pick<Bucket, "order" | "head">): string {
  return `${order}-grams, head ${head}`;
}

export function overview(layer: number, buckets: readonly Bucket[]): TitledArea[] {
  return buckets.map((bucket) =>
    areaOf(bucket, {
      layer,
      from: bucket.first_row,
      to: bucket.first_row + bucket.rows,
      limit: overviewBins,
    }),
  );
}

export function focus(
  bucket: Bucket,
  { layer, range }: { layer: number; range: readonly [number, number] | undefined },
): TitledArea {
  const first = bucket.first_row;
  const end = first + bucket.rows;
  // An address that was edited by hand, or comes from another model, shows the whole bucket.
  const isInside =
    range !== undefined && first <= range[0] && range[0] < range[1] && range[1] <= end;
  const [from, to] = isInside ? range : [first, end];
  return areaOf(bucket, { layer, from, to, limit: focusBins });
}

function areaOf(
  bucket: Bucket,
  { layer, from, to, limit }: { layer: number; from: number; to: number; limit: number },
): TitledArea {
  return { layer, from, to, bins: Math.min(limit, to - from), bucket, title: titleOf(bucket) };
}

/** First and last row of a bin. */
export function rowsOfBin({ from, to, bins }: Area, bin: number): readonly [number, number] {
  const edge = (i: number): number => Math.floor(from + (i * (to - from)) / bins);
  return [edge(bin), edge(bin + 1) - 1];
}

/** Columns of a map that is about square. */
export function columnsOf({ bins }: Area): number {
  return Math.ceil(Math.sqrt(bins));
}

/** A thirty-second part of the area around a bin; undefined where every bin is one row already. */
export function closer(area: TitledArea, bin: number): readonly [number, number] | undefined {
  const length = area.to - area.from;
  if (length <= area.bins) return undefined;
  const [first, last] = rowsOfBin(area, bin);
  const end = area.bucket.first_row + area.bucket.rows;
  const wanted = Math.min(length, Math.max(256, Math.ceil(length / 32)));
  const from = Math.round((first + last + 1 - wanted) / 2);
  const begin = Math.max(area.bucket.first_row, Math.min(from, end - wanted));
  return [begin, Math.min(end, begin + wanted)];
}

/** Thirty-two times the area; undefined where that is the whole bucket. */
export function farther(area: TitledArea): readonly [number, number] | undefined {
  const { bucket, from, to } = area;
  const wanted = 32 * (to - from);
  if (wanted >= bucket.rows) return undefined;
  const end = bucket.first_row + bucket.rows;
  const begin = Math.round((from + to - wanted) / 2);
  const first = Math.max(bucket.first_row, Math.min(begin, end - wanted));
  return [first, first + wanted];
}
