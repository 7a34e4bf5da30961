/** How many n-grams share a row, in the form in which it is sent. */
import type { CollisionReport } from "../inspect/index.ts";

export function collisionJson({ tokens, isFull, buckets }: CollisionReport): object {
  return {
    tokens,
    full: isFull,
    buckets: buckets.map((bucket) => ({
      layer: bucket.layer,
      order: bucket.order,
      head: bucket.head,
      rows: bucket.rows,
      ngrams: bucket.ngrams,
      distinct_rows: bucket.distinctRows,
      shared_ngrams: bucket.sharedNgrams,
      expected_distinct_rows: shortened(bucket.expectedDistinctRows),
      expected_shared_ngrams: shortened(bucket.expectedSharedNgrams),
    })),
  };
}

/** Rounds to seven digits: about the precision of an f32, in half the text of a double. */
export function shortened(value: number): number {
  return Number(value.toPrecision(7));
}
