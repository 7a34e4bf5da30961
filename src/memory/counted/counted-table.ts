/**
 * Counted rows of all contexts of a text, found by their ids: a directory in RAM says where a context's bucket lies,
 * and the buckets lie in a store, so the bytes that a context needs are known from ids alone and come in one read.
 * Knows ids, counts and stores; no chances, no text, no files.
 *
 * Contexts of one id have a bucket each; longer ones share buckets by a hash, and rows there name their context.
 */
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { RowStore } from "../store.ts";
import { countContexts, type ContextRow, type PlaceRange } from "./count-contexts.ts";
import type { ContextOrder } from "./context-order.ts";
import { type RowToWrite, RowWriter } from "./row-bytes.ts";

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

/** Counts a text that was sorted. `except` leaves out a fold. Throws `InvalidConfigError` for more bytes than a directory addresses. */
export function buildCountedTable(
  sorted: ContextOrder,
  { vocabSize, except }: { vocabSize: number; except?: PlaceRange | undefined },
): CountedBytes {
  const { order, text } = sorted;
  const once = new Float64Array(order);
  const twice = new Float64Array(order);
  const unigrams = new Uint32Array(vocabSize);
  let numContexts = 0;
  const walk = (visit: (row: ContextRow) => void): void =>
    countContexts(sorted, { vocabSize, except }, visit);
  walk(({ depth, successors, counts }) => {
    for (const id of successors) {
      if (counts[id] === 1) once[depth]!++;
      else if (counts[id] === 2) twice[depth]!++;
      if (depth === 0) unigrams[id] = counts[id]!;
    }
    if (depth > 1) numContexts++;
  });
  const numBuckets = vocabSize + Math.max(1, Math.ceil(numContexts / contextsPerBucket));
  const offsets = new Uint32Array(numBuckets + 1);
  const directory = {
    order,
    vocabSize,
    discounts: Float64Array.from(once, (n, depth) => discountOf({ once: n, twice: twice[depth]! })),
    unigrams,
    offsets,
  };
  const rows = new RowWriter(vocabSize);
  const bytesOf = (row: ContextRow): Uint8Array => rows.write(rowToWrite(row, text.tokens));
  const bucket = ({ place, depth }: ContextRow): number =>
    bucketOf(directory, { ids: text.tokens, place, depth });
  let size = 0;
  walk((row) => {
    if (row.depth === 0) return;
    const { length } = bytesOf(row);
    offsets[bucket(row) + 1]! += length;
    size += length;
  });
  if (size > 2 ** 32 - 1)
    throw new InvalidConfigError(
      `the counts take ${size} bytes, and a table holds ${2 ** 32 - 1}: count less text, or shorter n-grams`,
    );
  for (let at = 1; at < offsets.length; at++) offsets[at]! += offsets[at - 1]!;
  const bytes = new Uint8Array(Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES);
  const ends = offsets.slice();
  walk((row) => {
    if (row.depth === 0) return;
    const of = bytesOf(row);
    const at = bucket(row);
    bytes.set(of, ends[at]);
    ends[at]! += of.length;
  });
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

function rowToWrite(
  { depth, place, successors, counts }: ContextRow,
  tokens: ArrayLike<number>,
): RowToWrite {
  const ids = successors.toSorted((a, b) => counts[b]! - counts[a]! || a - b);
  return {
    context: Uint32Array.from({ length: depth }, (_, back) => tokens[place - 1 - back]!),
    ids,
    counts: Uint32Array.from(ids, (id) => counts[id]!),
    total: ids.reduce((sum, id) => sum + counts[id]!, 0),
    unlisted: 0,
  };
}
