/**
 * Counted rows of all contexts of a text, found by their ids: a directory in RAM says where a context's bucket lies,
 * and the buckets lie in a store, so the bytes that a context needs are known from ids alone and come in one read.
 * Knows ids, counts and stores; no chances, no text, no files.
 *
 * Contexts of one id have a bucket each; longer ones share buckets by a hash, and rows there name their context.
 */
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { RowStore } from "../store.ts";
import { countContexts, type PlaceRange } from "./count-contexts.ts";
import type { ContextOrder } from "./context-order.ts";
import { leastGainFor, type Prune, prunedRows } from "./prune-rows.ts";
import { type RowHead, RowScanner, RowWriter } from "./row-bytes.ts";

/** Bytes of one row of the store that buckets lie in. */
export const BLOCK_BYTES = 64;

/** Contexts that share a bucket, on average. */
const contextsPerBucket = 8;

/** What a table is besides its buckets. */
export interface CountedDirectory {
  /** Ids of the longest n-grams. */
  readonly order: number;
  readonly vocabSize: number;
  /** [order] What n-grams of 1, 2, … ids give up of their count: D = n1 / (n1 + 2 n2), n1 of them counted once, n2 twice. */
  readonly discounts: Float64Array;
  /** [V] How often each id was counted without its context. */
  readonly unigrams: Uint32Array;
  /** [B+1] Where each bucket starts. The first V are those of the contexts of one id. */
  readonly offsets: Uint32Array;
}

export interface CountedTable extends CountedDirectory {
  /** `BLOCK_BYTES` a row. */
  readonly buckets: RowStore;
}

/** A table whose buckets are still bytes: whole blocks of them. */
export interface CountedBytes extends CountedDirectory {
  readonly bytes: Uint8Array;
}

/** Of an n-gram's count, what it gives up to n-grams that were never met. (Ney, Essen and Kneser 1994) */
export function discountOf({ once, twice }: { once: number; twice: number }): number {
  return once + twice > 0 ? once / (once + 2 * twice) : 0.75;
}

/** Where the context of the `depth` ids before `place` has its bucket. */
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

/** A table just counted. */
export interface BuiltTable extends CountedBytes {
  /** What is listed saves at least so many nats a byte: 0 where all is. */
  readonly leastGain: number;
}

/**
 * Counts a text that was sorted. `except` leaves out a fold; `prune` lists less than all. Takes twice the table's
 * bytes, before it is pruned, of memory. Throws `InvalidConfigError` for more bytes than a directory addresses, and
 * for less room than it needs.
 */
export function buildCountedTable(
  sorted: ContextOrder,
  {
    vocabSize,
    except,
    prune,
  }: { vocabSize: number; except?: PlaceRange | undefined; prune?: Prune | undefined },
): BuiltTable {
  const { order, text } = sorted;
  const once = new Float64Array(order);
  const twice = new Float64Array(order);
  const unigrams = new Uint32Array(vocabSize);
  const writer = new RowWriter(vocabSize);
  let numContexts = 0;
  countContexts(sorted, { vocabSize, except }, (row) => {
    const { depth, place, successors, counts, size, total } = row;
    // The most frequent first.
    for (let i = size - 1; i >= 0; i--) {
      const count = counts[successors[i]!]!;
      if (count > 2) break;
      if (count === 1) once[depth]!++;
      else twice[depth]!++;
    }
    if (depth === 0) {
      for (let i = 0; i < size; i++) unigrams[successors[i]!] = counts[successors[i]!]!;
      return;
    }
    if (depth > 1) numContexts++;
    writer.write({ depth, ids: text.tokens, place, successors, counts, size, total, unlisted: 0 });
  });
  const counted = {
    order,
    vocabSize,
    discounts: Float64Array.from(once, (n, depth) => discountOf({ once: n, twice: twice[depth]! })),
    unigrams,
  };
  const all = { ...counted, segments: writer.finish() };
  if (prune === undefined) return { ...placed(all, numContexts), leastGain: 0 };
  const leastGain =
    "leastGain" in prune
      ? prune.leastGain
      : leastGainFor(all, prune.bytes, (rowBytes, contexts) =>
          bytesAtRest(counted, { rowBytes, numBuckets: numBucketsFor(contexts, vocabSize) }),
        );
  const kept = prunedRows(all, leastGain);
  return { ...placed({ ...counted, segments: kept.segments }, kept.numContexts), leastGain };
}

/** Bytes of a table at rest: its blocks and its directory. */
export function countedBytes({ buckets, offsets, ...of }: CountedTable): number {
  const rowBytes = BLOCK_BYTES * buckets.numRows;
  return bytesAtRest(of, { rowBytes, numBuckets: offsets.length - 1 });
}

/** Bytes of a table without any row: no table takes less. */
export function leastCountedBytes(of: { order: number; vocabSize: number }): number {
  return bytesAtRest(of, { rowBytes: 0, numBuckets: numBucketsFor(0, of.vocabSize) });
}

function bytesAtRest(
  { order, vocabSize }: { order: number; vocabSize: number },
  { rowBytes, numBuckets }: { rowBytes: number; numBuckets: number },
): number {
  const numBlocks = Math.ceil(rowBytes / BLOCK_BYTES);
  return BLOCK_BYTES * numBlocks + 4 * (numBuckets + 1) + 4 * vocabSize + 8 * order;
}

function numBucketsFor(numContexts: number, vocabSize: number): number {
  return vocabSize + Math.max(1, Math.ceil(numContexts / contextsPerBucket));
}

/** The table of rows that were written: each is placed into its bucket, in the order of their writing. */
function placed(
  { segments, ...counted }: Omit<CountedDirectory, "offsets"> & { segments: Uint8Array[] },
  numContexts: number,
): CountedBytes {
  const { vocabSize, order } = counted;
  const offsets = new Uint32Array(numBucketsFor(numContexts, vocabSize) + 1);
  const size = segments.reduce((sum, { length }) => sum + length, 0);
  if (size > 2 ** 32 - 1)
    throw new InvalidConfigError(
      `the counts take ${size} bytes, and a table holds ${2 ** 32 - 1}: count less text, or shorter n-grams`,
    );
  const directory = { ...counted, offsets };
  const scanner = new RowScanner(vocabSize);
  const head: RowHead = { total: 0, distinct: 0, largest: 0, listed: 0, at: 0, isSingle: false };
  const context = new Uint32Array(order);
  const walk = (visit: (bucket: number, from: number, to: number) => void, bytes: Uint8Array) => {
    for (let from = 0; from < bytes.length; from = scanner.end) {
      const depth = scanner.open(bytes, { from, to: bytes.length }, { context, head });
      visit(bucketOf(directory, { ids: context, place: depth, depth }), from, scanner.end);
    }
  };
  for (const segment of segments)
    walk((bucket, from, to) => (offsets[bucket + 1]! += to - from), segment);
  for (let at = 1; at < offsets.length; at++) offsets[at]! += offsets[at - 1]!;
  const bytes = new Uint8Array(Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES);
  const ends = offsets.slice();
  for (const segment of segments)
    walk((bucket, from, to) => {
      let at = ends[bucket]!;
      for (let i = from; i < to; i++) bytes[at++] = segment[i]!;
      ends[bucket] = at;
    }, segment);
  return { ...directory, bytes };
}

/** Throws `FormatError` unless a directory fits its buckets. */
export function checkDirectory(
  { order, vocabSize, discounts, unigrams, offsets }: CountedDirectory,
  numBytes: number,
): void {
  const last = offsets[offsets.length - 1];
  const problem =
    discounts.length !== order || discounts.some((d) => !(d >= 0 && d <= 1))
      ? `${order} discounts of 0..1`
      : unigrams.length !== vocabSize
        ? `${vocabSize} unigram counts`
        : offsets.length < vocabSize + 2 || offsets[0] !== 0 || last! > numBytes
          ? `buckets within ${numBytes} bytes`
          : offsets.some((at, i) => i > 0 && at < offsets[i - 1]!)
            ? "buckets in order"
            : undefined;
  if (problem !== undefined)
    throw new FormatError(`the counted memory's directory does not have ${problem}`);
}
