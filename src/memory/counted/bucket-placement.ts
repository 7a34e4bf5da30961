/**
 * Which bucket a context has. Contexts of one id have one bucket each. Longer contexts share buckets by a hash. Knows
 * offsets; no rows, no stores.
 */
import type { CountedTotals } from "./count-rows.ts";

/** Contexts that share a bucket, on average. */
const contextsPerBucket = 8;

/** A table without its buckets. */
export interface CountedDirectory extends CountedTotals {
  /** [B+1] Start of each bucket. The first V buckets are those of contexts of one id. */
  readonly offsets: Uint32Array;
}

/** How many buckets a table has, with so many contexts of several ids. */
export function numBucketsFor(numContexts: number, vocabSize: number): number {
  return vocabSize + Math.max(1, Math.ceil(numContexts / contextsPerBucket));
}

/** About how many contexts of several ids have so many buckets. */
export function numContextsIn(numBuckets: number, vocabSize: number): number {
  return contextsPerBucket * (numBuckets - vocabSize);
}

/**
 * About how many blocks of `blockBytes` a position reads: all of the bucket of each of its contexts. Ids are taken as
 * frequent as they follow others, and longer contexts as if all were found.
 */
export function blocksPerPosition(
  { order, vocabSize, unigrams, offsets }: CountedDirectory,
  blockBytes: number,
): number {
  const mean = (from: number, to: number, weightOf: (bucket: number) => number): number => {
    let [sum, weights] = [0, 0];
    for (let bucket = from; bucket < to; bucket++) {
      const [begin, end] = [offsets[bucket]!, offsets[bucket + 1]!];
      if (begin === end) continue;
      const blocks = Math.ceil(end / blockBytes) - Math.floor(begin / blockBytes);
      sum += weightOf(bucket) * blocks;
      weights += weightOf(bucket);
    }
    return weights === 0 ? 0 : sum / weights;
  };
  const ofOne = mean(0, vocabSize, (id) => unigrams[id]!);
  const ofSeveral = mean(vocabSize, offsets.length - 1, () => 1);
  return ofOne + (order - 2) * ofSeveral;
}

/** The bucket of the context of the `depth` ids before `place`. */
export function bucketOf(
  { vocabSize, offsets }: Pick<CountedDirectory, "vocabSize" | "offsets">,
  { ids, place, depth }: { ids: ArrayLike<number>; place: number; depth: number },
): number {
  if (depth === 1) return ids[place - 1]!;
  let hash = depth;
  for (let back = 1; back <= depth; back++) hash = mixedIn(hash, ids[place - back]!);
  // Two numbers without signs are divided as such, and not as floats.
  return vocabSize + (lastMixed(hash) % ((offsets.length - 1 - vocabSize) >>> 0));
}

/** A step of a context's hash, which begins as its length: for each id, the nearest first. */
export function mixedIn(hash: number, id: number): number {
  const mixed = Math.imul(hash ^ id, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** The last step. */
export function lastMixed(hash: number): number {
  const mixed = Math.imul(hash, 0x85ebca6b);
  return (mixed ^ (mixed >>> 13)) >>> 0;
}
