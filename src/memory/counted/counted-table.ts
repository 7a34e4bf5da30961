/**
 * Counted rows of all contexts of a text, found by their ids. A directory in RAM gives the position of each bucket; the
 * buckets are in a store. So ids alone determine the bytes that a context needs, and one read gets them. Knows ids,
 * counts and stores; no probabilities, no text, no files.
 *
 * Contexts of one id have one bucket each. Longer contexts share buckets by a hash, and their rows contain the context.
 */
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { RowStore } from "../store.ts";
import { type CountedDirectory, numBucketsFor } from "./bucket-placement.ts";
import { BucketSort } from "./bucket-sort.ts";
import type { ContextOrder, PlaceRange } from "./context-order.ts";
import { type CountedKind, type CountedTotals, RowCount } from "./count-rows.ts";
import { ngramsOf } from "./ordered-ngrams.ts";
import { type KeptRows, type Prune, RowGains, RowPruner } from "./prune-rows.ts";
import { idBytesOf } from "./row-bytes.ts";
import { RowWriter } from "./write-rows.ts";

/** Bytes per row of the store of the buckets. */
export const BLOCK_BYTES = 64;

export interface CountedTable extends CountedDirectory {
  /** `BLOCK_BYTES` a row. */
  readonly buckets: RowStore;
}

/** A table with its buckets as bytes, in whole blocks. */
export interface CountedBytes extends CountedDirectory {
  readonly bytes: Uint8Array;
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
    except,
    prune,
    ...kind
  }: Omit<CountedKind, "order"> & {
    except?: PlaceRange | undefined;
    prune?: Prune | undefined;
  },
): BuiltTable {
  const { order } = sorted;
  const { vocabSize } = kind;
  let segments: Uint8Array[] = [];
  const take = (segment: Uint8Array): unknown => segments.push(segment.slice());
  const count = new RowCount({ ...kind, order }, new RowWriter(vocabSize, take));
  for (const ngrams = ngramsOf(sorted, except); ngrams.next();) count.add(ngrams);
  const { totals, numContexts } = count.finish();
  if (prune === undefined) return { ...placed(totals, { segments, numContexts }), leastGain: 0 };
  const steps: Uint16Array[] = [];
  const gains = new RowGains(totals, (piece) => steps.push(piece));
  for (const segment of segments) gains.add(segment);
  gains.finish();
  const leastGain =
    "leastGain" in prune
      ? prune.leastGain
      : keptIn(gains, { order, vocabSize, bytes: prune.bytes }).leastGain;
  const all = segments;
  segments = [];
  const pruner = new RowPruner({ vocabSize, leastGain, steps, take });
  for (const segment of all) pruner.add(segment);
  const kept = pruner.finish();
  return { ...placed(totals, { segments, ...kept }), leastGain };
}

/** What a table of `bytes` at rest keeps. Throws `InvalidConfigError` if none is so small. */
export function keptIn(
  gains: RowGains,
  { bytes, ...of }: { bytes: number; order: number; vocabSize: number },
): KeptRows {
  return gains.leastFor(bytes, (rowBytes, contexts) =>
    bytesAtRest(of, { rowBytes, numBuckets: numBucketsFor(contexts, of.vocabSize) }),
  );
}

/** Bytes of a stored table: blocks and directory. */
export function countedBytes({ offsets, ...of }: CountedDirectory): number {
  return bytesAtRest(of, { rowBytes: offsets.at(-1)!, numBuckets: offsets.length - 1 });
}

/** Bytes of a table without any row: no table takes less. */
export function leastCountedBytes(of: { order: number; vocabSize: number }): number {
  return bytesAtRest(of, { rowBytes: 0, numBuckets: numBucketsFor(0, of.vocabSize) });
}

/** Bytes of a table at rest, by those of its rows. */
export function bytesAtRest(
  { order, vocabSize }: { order: number; vocabSize: number },
  { rowBytes, numBuckets }: { rowBytes: number; numBuckets: number },
): number {
  const numBlocks = Math.ceil(rowBytes / BLOCK_BYTES);
  return BLOCK_BYTES * numBlocks + 4 * (numBuckets + 1) + 4 * vocabSize + 8 * order;
}

/** Makes a table of written rows, which are gone then: puts each into its bucket, in the order of writing. */
function placed(
  totals: CountedTotals,
  { segments, numContexts }: { segments: Uint8Array[]; numContexts: number },
): CountedBytes {
  const put: Uint8Array[] = [];
  const pieces = {
    put: (piece: Uint8Array): unknown => put.push(piece.slice()),
    get: (number: number): Uint8Array => put[number]!,
  };
  const rowBytes = segments.reduce((sum, { length }) => sum + length, 0);
  const sort = new BucketSort(totals, { numContexts, rowBytes, pieces });
  for (const segment of segments) sort.add(segment);
  segments.length = 0;
  const directory = sort.finish();
  const size = directory.offsets.at(-1)!;
  const bytes = new Uint8Array(Math.ceil(size / BLOCK_BYTES) * BLOCK_BYTES);
  let at = 0;
  for (const rows of sort.sorted()) {
    bytes.set(rows, at);
    at += rows.length;
  }
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

/**
 * The same table for a vocabulary of more ids, of which the new ones never occurred. Throws `InvalidConfigError` where its
 * rows could not name them.
 */
export function withVocabulary<Table extends CountedDirectory>(
  table: Table,
  vocabSize: number,
): Table {
  const added = vocabSize - table.vocabSize;
  if (added === 0) return table;
  if (added < 0 || idBytesOf(vocabSize) !== idBytesOf(table.vocabSize))
    throw new InvalidConfigError(
      `counts of ${table.vocabSize} ids cannot be read with a vocabulary of ${vocabSize}`,
    );
  const unigrams = new Uint32Array(vocabSize);
  unigrams.set(table.unigrams);
  const offsets = new Uint32Array(table.offsets.length + added);
  offsets.set(table.offsets.subarray(0, table.vocabSize));
  offsets.fill(table.offsets[table.vocabSize]!, table.vocabSize, vocabSize);
  offsets.set(table.offsets.subarray(table.vocabSize), vocabSize);
  return { ...table, vocabSize, unigrams, offsets };
}
