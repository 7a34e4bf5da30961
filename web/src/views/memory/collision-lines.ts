/** Collisions as lines of a table: measured ones beside chance, or those of training as its filled rows let guess. */
import type { Bucket, BucketCollisions, BucketFill } from "./memory-api.ts";

export interface CollisionLine {
  readonly order: number;
  readonly head: number;
  readonly rows: number;
  /** Different ones; null where any number could have filled every row. */
  readonly ngrams: number | null;
  /** Rows that some n-gram falls on. */
  readonly filled: number;
  readonly expectedFilled: number | null;
  /** Shares of the n-grams that are not alone on their row; null where there are none. */
  readonly shared: number | null;
  readonly expected: number | null;
  readonly isEstimate: boolean;
}

export function collisionLines(buckets: readonly BucketCollisions[]): CollisionLine[] {
  return buckets.map((bucket) => ({
    order: bucket.order,
    head: bucket.head,
    rows: bucket.rows,
    ngrams: bucket.ngrams,
    filled: bucket.distinct_rows,
    expectedFilled: bucket.expected_distinct_rows,
    shared: bucket.ngrams === 0 ? null : bucket.shared_ngrams / bucket.ngrams,
    expected: bucket.ngrams === 0 ? null : bucket.expected_shared_ngrams / bucket.ngrams,
    isEstimate: false,
  }));
}

/** `buckets` in the same order, for their sizes. */
export function fillLines(
  fills: readonly BucketFill[],
  buckets: readonly Bucket[],
): CollisionLine[] {
  return fills.map((fill, i) => {
    const { order, head, sampled, non_zero: nonZero, estimated_ngrams: ngrams } = fill;
    const rows = buckets[i]!.rows;
    return {
      order,
      head,
      rows,
      ngrams,
      filled: (nonZero / sampled) * rows,
      expectedFilled: null,
      // Of n balls in m bins, the share that meets another: 1 - (1 - 1/m)^(n - 1).
      shared:
        ngrams === null || ngrams === 0 ? null : -Math.expm1((ngrams - 1) * Math.log1p(-1 / rows)),
      expected: null,
      isEstimate: true,
    };
  });
}
