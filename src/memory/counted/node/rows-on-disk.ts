/**
 * A counted table made of a file of n-gram counts, in bounded memory: rows go to a scratch file in the order of
 * counting, from there to regions of buckets in another, and each region is put in order in memory. Byte for byte the
 * table that `counted-table.ts` builds in RAM. Knows nothing of how tables are stored.
 *
 * In memory: the directory (4 bytes a bucket, half a byte a context), a region, and where it is pruned the rows behind
 * one id.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { StoreError } from "../../../errors.ts";
import { nextTurn } from "../../../next-turn.ts";
import {
  BucketLayout,
  BucketWalk,
  type CountedDirectory,
  numBucketsFor,
  RowPlacement,
} from "../bucket-placement.ts";
import { type CountedKind, type CountedTotals, RowCount } from "../count-rows.ts";
import { BLOCK_BYTES, bytesAtRest, leastGainFor } from "../counted-table.ts";
import type { OrderedNgrams } from "../ordered-ngrams.ts";
import { RowGains, RowPruner } from "../prune-rows.ts";
import { RowWriter } from "../row-bytes.ts";

/** Bytes of buckets that are put in order at once, unless one bucket has more. */
const REGION_BYTES = 2 ** 26;
/** N-grams between two turns of the event loop. */
const TURN = 2 ** 16;

export interface DiskTableOptions {
  readonly kind: CountedKind;
  /** Scratch files are this path with endings. */
  readonly scratch: string;
  /** Of the table at rest; what gains least a byte is not listed. 0: all is. */
  readonly maxBytes?: number;
  readonly regionBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A table whose buckets can be read once, in order. */
export interface DiskTable extends AsyncDisposable {
  readonly directory: CountedDirectory;
  /** Whole blocks: all buckets, one behind the other. */
  chunks(): AsyncGenerator<Uint8Array>;
}

/** Counts the n-grams of a cursor that has not moved yet. Its scratch files are there until it is disposed. */
export async function buildTableOnDisk(
  ngrams: OrderedNgrams,
  { kind, scratch, maxBytes = 0, regionBytes = REGION_BYTES, signal }: DiskTableOptions,
): Promise<DiskTable> {
  let rows = new ScratchRows(`${scratch}.rows`);
  let regions: Regions | undefined;
  const dispose = async (): Promise<void> => {
    rows.remove();
    regions?.remove();
  };
  const each = async (to: { add(segment: Uint8Array): void }): Promise<void> => {
    for (const segment of rows.segments()) {
      to.add(segment);
      await nextTurn();
      signal?.throwIfAborted();
    }
  };
  try {
    const { vocabSize } = kind;
    const count = new RowCount(kind, new RowWriter(vocabSize, rows.take));
    for (let n = 1; ngrams.next(); n++) {
      count.add(ngrams);
      if (n % TURN > 0) continue;
      await nextTurn();
      signal?.throwIfAborted();
    }
    let { totals, numContexts } = count.finish();
    const wholeBytes = bytesAtRest(kind, {
      rowBytes: rows.size,
      numBuckets: numBucketsFor(numContexts, vocabSize),
    });
    if (maxBytes > 0 && wholeBytes > maxBytes) {
      const gains = new RowGains(totals);
      await each(gains);
      const leastGain = leastGainFor(gains, { ...kind, bytes: maxBytes });
      const kept = new ScratchRows(`${scratch}.kept`);
      try {
        const pruner = new RowPruner(totals, {
          leastGain,
          writer: new RowWriter(vocabSize, kept.take),
        });
        await each(pruner);
        ({ numContexts } = pruner.finish());
      } finally {
        rows.remove();
        rows = kept;
      }
    }
    const directory = await layOut(totals, numContexts, each);
    regions = new Regions(`${scratch}.regions`, directory, regionBytes);
    await each(regions);
    rows.remove();
    return { directory, chunks: () => regions!.chunks(), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function layOut(
  totals: CountedTotals,
  numContexts: number,
  each: (to: BucketLayout) => Promise<void>,
): Promise<CountedDirectory> {
  const layout = new BucketLayout(totals, numContexts);
  await each(layout);
  return layout.finish();
}

/** A file that is gone with the process' work. */
class ScratchFile {
  readonly #path: string;
  readonly #file: number;
  #isOpen = true;

  constructor(path: string) {
    // What a killed process left there.
    rmSync(path, { force: true });
    this.#path = path;
    this.#file = openSync(path, "wx+");
  }

  write(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#file, bytes, done, bytes.length - done, position + done);
  }

  read(into: Uint8Array, position: number): void {
    for (let done = 0; done < into.length;) {
      const got = readSync(this.#file, into, done, into.length - done, position + done);
      if (got === 0) throw new StoreError(`${this.#path} was cut off while it was in use`);
      done += got;
    }
  }

  remove(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.#file);
    rmSync(this.#path, { force: true });
  }
}

/** Segments of rows in a file. */
class ScratchRows {
  readonly #file: ScratchFile;
  readonly #lengths: number[] = [];
  #size = 0;

  constructor(path: string) {
    this.#file = new ScratchFile(path);
  }

  readonly take = (segment: Uint8Array): void => {
    this.#file.write(segment, this.#size);
    this.#lengths.push(segment.length);
    this.#size += segment.length;
  };

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  *segments(): Generator<Uint8Array> {
    let at = 0;
    for (const length of this.#lengths) {
      const segment = new Uint8Array(length);
      this.#file.read(segment, at);
      at += length;
      yield segment;
    }
  }

  remove(): void {
    this.#file.remove();
  }
}

/** Bytes of a region that are collected before they are written. */
const BUFFER_BYTES = 2 ** 18;

/** Buckets, some megabytes of them at a time: a region has its rows in the order of writing. */
class Regions {
  readonly #file: ScratchFile;
  readonly #directory: CountedDirectory;
  /** The first bucket of each region, and behind the last. */
  readonly #firsts: number[];
  readonly #buffers: { readonly bytes: Uint8Array; size: number; at: number }[];
  readonly #walk: BucketWalk;
  #segment: Uint8Array = new Uint8Array(0);

  constructor(path: string, directory: CountedDirectory, regionBytes: number) {
    const { offsets } = directory;
    this.#directory = directory;
    this.#firsts = [0];
    for (let bucket = 1; bucket + 1 < offsets.length; bucket++)
      if (offsets[bucket + 1]! - offsets[this.#firsts.at(-1)!]! > regionBytes)
        this.#firsts.push(bucket);
    this.#firsts.push(offsets.length - 1);
    this.#buffers = this.#firsts.slice(0, -1).map((first) => ({
      bytes: new Uint8Array(BUFFER_BYTES),
      size: 0,
      at: offsets[first]!,
    }));
    this.#file = new ScratchFile(path);
    this.#walk = new BucketWalk(directory, (bucket, from, to) => this.#put(bucket, from, to));
  }

  add(segment: Uint8Array): void {
    this.#segment = segment;
    this.#walk.add(segment);
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    const { offsets } = this.#directory;
    for (const buffer of this.#buffers) this.#flush(buffer);
    for (let region = 0; region + 1 < this.#firsts.length; region++) {
      const [first, last] = [this.#firsts[region]!, this.#firsts[region + 1]!];
      const [begin, end] = [offsets[first]!, offsets[last]!];
      const rows = new Uint8Array(end - begin);
      this.#file.read(rows, begin);
      const isLast = region + 2 === this.#firsts.length;
      const padding = isLast ? -end & (BLOCK_BYTES - 1) : 0;
      const into = new Uint8Array(rows.length + padding);
      new RowPlacement(this.#directory, { into, first, last }).add(rows);
      yield into;
    }
  }

  remove(): void {
    this.#file.remove();
  }

  #put(bucket: number, from: number, to: number): void {
    const buffer = this.#buffers[this.#regionOf(bucket)]!;
    if (buffer.size + to - from > buffer.bytes.length) this.#flush(buffer);
    const row = this.#segment.subarray(from, to);
    if (row.length > buffer.bytes.length) {
      this.#file.write(row, buffer.at);
      buffer.at += row.length;
      return;
    }
    buffer.bytes.set(row, buffer.size);
    buffer.size += row.length;
  }

  #flush(buffer: { readonly bytes: Uint8Array; size: number; at: number }): void {
    this.#file.write(buffer.bytes.subarray(0, buffer.size), buffer.at);
    buffer.at += buffer.size;
    buffer.size = 0;
  }

  #regionOf(bucket: number): number {
    const firsts = this.#firsts;
    let [low, high] = [0, firsts.length - 2];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (firsts[middle]! <= bucket) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
