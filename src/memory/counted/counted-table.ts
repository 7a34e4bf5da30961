/**
 * Counted rows of all contexts of a text, found by their ids. A directory in RAM gives the position of each bucket; the
 * buckets are in a store. So ids alone determine the bytes that a context needs, and one read gets them. Knows ids,
 * counts and stores; no probabilities, no text, no files.
 *
 * Contexts of one id have one bucket each. Longer contexts share buckets by a hash, and their rows contain the context.
 */
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { RowStore } from "../store.ts";
import { countContexts, type PlaceRange } from "./count-contexts.ts";
import type { ContextOrder } from "./context-order.ts";
import { leastGainFor, type Prune, prunedRows } from "./prune-rows.ts";
import { type RowHead, RowScanner, RowWriter } from "./row-bytes.ts";

/** Bytes per row of the store of the buckets. */
export const BLOCK_BYTES = 64;

/** Contexts that share a bucket, on average. */
const contextsPerBucket = 8;

/** A table without its buckets. */
export interface CountedDirectory {
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  readonly vocabSize: number;
  /** [order] Discounts of n-grams of 1, 2, … ids: D = n1 / (n1 + 2 n2), where n1 n-grams were counted once, n2 twice. */
  readonly discounts: Float64Array;
  /** [V] Count of each id without context. */
  readonly unigrams: Uint32Array;
  /** [B+1] Start of each bucket. The first V buckets are those of contexts of one id. */
  readonly offsets: Uint32Array;
}

export interface CountedTable extends CountedDirectory {
  /** `BLOCK_BYTES` a row. */
  readonly buckets: RowStore;
}

/** A table with its buckets as bytes, in whole blocks. */
export interface CountedBytes extends CountedDirectory {
  readonly bytes: Uint8Array;
}

/** The discount: what is subtracted from each count for n-grams that never occurred. (Ney, Essen and Kneser 1994) */
export function discountOf({ once, twice }: { once: number; twice: number }): number {
  return once + twice > 0 ? once / (once + 2 * twice) : 0.75;
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

/** A newly counted table. */
export interface BuiltTable extends CountedBytes {
  /** The smallest gain of listed successors, in nats per byte. 0: all are listed. */
  readonly leastGain: number;
}

/**
 * Counts a sorted text. `except` leaves out a fold; `prune` lists only some successors. Needs memory for twice the bytes
 * of the unpruned table. Throws `InvalidConfigError` if the table has more bytes than a directory can address, or if
 * the given size is too small.
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

/** Bytes of a stored table: blocks and directory. */
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

/** Makes a table of written rows: puts each into its bucket, in the order of writing. */
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
