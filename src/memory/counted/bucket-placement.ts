/**
 * Which bucket a context has, and written rows put into their buckets, in the order of writing. Contexts of one id have
 * one bucket each. Longer contexts share buckets by a hash. Knows rows and offsets; no stores.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { CountedTotals } from "./count-rows.ts";
import { noHead, type RowHead, RowScanner } from "./row-bytes.ts";

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
  for (let back = 1; back <= depth; back++) {
    hash = Math.imul(hash ^ ids[place - back]!, 0x9e3779b1);
    hash ^= hash >>> 15;
  }
  hash = Math.imul(hash, 0x85ebca6b);
  return vocabSize + (((hash ^ (hash >>> 13)) >>> 0) % (offsets.length - 1 - vocabSize));
}

/** Finds where each bucket begins. */
export class BucketLayout {
  readonly #directory: CountedDirectory;
  readonly #walk: BucketWalk;
  #size = 0;

  /** `numContexts`: of several ids. */
  constructor(totals: CountedTotals, numContexts: number) {
    const offsets = new Uint32Array(numBucketsFor(numContexts, totals.vocabSize) + 1);
    this.#directory = { ...totals, offsets };
    this.#walk = new BucketWalk(this.#directory, (bucket, from, to) => {
      offsets[bucket + 1]! += to - from;
      this.#size += to - from;
    });
  }

  add(segment: Uint8Array): void {
    this.#walk.add(segment);
  }

  /** Call after the last segment. Throws `InvalidConfigError` for more bytes than offsets reach. */
  finish(): CountedDirectory {
    if (this.#size > 2 ** 32 - 1)
      throw new InvalidConfigError(
        `the counts take ${this.#size} bytes, and a table holds ${2 ** 32 - 1}: count less text, or shorter n-grams`,
      );
    const { offsets } = this.#directory;
    for (let at = 1; at < offsets.length; at++) offsets[at]! += offsets[at - 1]!;
    return this.#directory;
  }
}

/** Copies the rows of the buckets `first`..`last`-1 to where they belong in `into`, which begins with the first. */
export class RowPlacement {
  readonly #walk: BucketWalk;
  #segment: Uint8Array = new Uint8Array(0);

  constructor(
    directory: CountedDirectory,
    { into, first, last }: { into: Uint8Array; first: number; last: number },
  ) {
    const ends = directory.offsets.slice(first, last);
    const begin = ends[0] ?? 0;
    this.#walk = new BucketWalk(directory, (bucket, from, to) => {
      const segment = this.#segment;
      let at = ends[bucket - first]! - begin;
      for (let i = from; i < to; i++) into[at++] = segment[i]!;
      ends[bucket - first] = at + begin;
    });
  }

  add(segment: Uint8Array): void {
    this.#segment = segment;
    this.#walk.add(segment);
  }
}

/** Visits rows with their buckets. */
export class BucketWalk {
  readonly #directory: CountedDirectory;
  readonly #visit: (bucket: number, from: number, to: number) => void;
  readonly #scanner: RowScanner;
  readonly #into: { readonly context: Uint32Array; readonly head: RowHead };

  constructor(
    directory: CountedDirectory,
    visit: (bucket: number, from: number, to: number) => void,
  ) {
    this.#directory = directory;
    this.#visit = visit;
    this.#scanner = new RowScanner(directory.vocabSize);
    this.#into = { context: new Uint32Array(directory.order), head: noHead() };
  }

  add(segment: Uint8Array): void {
    const scanner = this.#scanner;
    const { context } = this.#into;
    for (let from = 0; from < segment.length; from = scanner.end) {
      const depth = scanner.open(segment, { from, to: segment.length }, this.#into);
      this.#visit(
        bucketOf(this.#directory, { ids: context, place: depth, depth }),
        from,
        scanner.end,
      );
    }
  }
}
