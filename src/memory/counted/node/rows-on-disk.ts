/**
 * A counted table made of a file of n-gram counts, in bounded memory: rows go to a scratch file in the order of
 * counting, from there to regions of buckets in another, and each region is put in order in memory. Byte for byte the
 * table that `counted-table.ts` builds in RAM. Knows nothing of how tables are stored.
 *
 * In memory: the directory (4 bytes a bucket, half a byte a context), a 64th of the rows and a region (`bucket-sort.ts`),
 * and where it is pruned the rows behind one id.
 */
import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { StoreError } from "../../../errors.ts";
import { nextTurn } from "../../../next-turn.ts";
import { type CountedDirectory, numBucketsFor } from "../bucket-placement.ts";
import { BucketSort, type Pieces } from "../bucket-sort.ts";
import { type CountedKind, RowCount } from "../count-rows.ts";
import { BLOCK_BYTES, bytesAtRest, keptIn } from "../counted-table.ts";
import type { OrderedNgrams } from "../ordered-ngrams.ts";
import { RowGains, RowPruner } from "../prune-rows.ts";
import { RowWriter } from "../write-rows.ts";

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
  { kind, scratch, maxBytes = 0, regionBytes, signal }: DiskTableOptions,
): Promise<DiskTable> {
  const [rows, steps, regions] = ["rows", "steps", "regions"].map(
    (of) => new ScratchPieces(`${scratch}.${of}`),
  ) as [ScratchPieces, ScratchPieces, ScratchPieces];
  const dispose = async (): Promise<void> => {
    for (const one of [rows, steps, regions]) one.remove();
  };
  const each = async (to: { add(segment: Uint8Array): void }): Promise<void> => {
    for (const segment of rows) {
      to.add(segment);
      await nextTurn();
      signal?.throwIfAborted();
    }
  };
  try {
    const { vocabSize } = kind;
    const count = new RowCount(kind, new RowWriter(vocabSize, rows.put));
    for (let n = 1; ngrams.next(); n++) {
      count.add(ngrams);
      if (n % TURN > 0) continue;
      await nextTurn();
      signal?.throwIfAborted();
    }
    const { totals, numContexts } = count.finish();
    const whole = { rowBytes: rows.size, numContexts };
    const wholeBytes = bytesAtRest(kind, {
      rowBytes: rows.size,
      numBuckets: numBucketsFor(numContexts, vocabSize),
    });
    const sortOf = (of: { rowBytes: number; numContexts: number }): BucketSort =>
      new BucketSort(totals, { ...of, pieces: regions, regionBytes });
    let sort: BucketSort;
    if (maxBytes === 0 || wholeBytes <= maxBytes) {
      sort = sortOf(whole);
      await each(sort);
    } else {
      const gains = new RowGains(totals, (piece) =>
        steps.put(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength)),
      );
      await each(gains);
      gains.finish();
      const { leastGain, ...kept } = keptIn(gains, { ...kind, bytes: maxBytes });
      sort = sortOf(kept);
      const take = (segment: Uint8Array): void => sort.add(segment);
      const pruner = new RowPruner({ vocabSize, leastGain, steps: stepsIn(steps), take });
      await each(pruner);
      pruner.finish();
    }
    rows.remove();
    steps.remove();
    const directory = sort.finish();
    return { directory, chunks: () => chunksOf(sort), [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** With what fills up the last block. */
async function* chunksOf(sort: BucketSort): AsyncGenerator<Uint8Array> {
  let size = 0;
  for (const rows of sort.sorted()) {
    yield rows;
    size += rows.length;
  }
  const padding = -size & (BLOCK_BYTES - 1);
  if (padding > 0) yield new Uint8Array(padding);
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

/** Pieces of bytes in a file, one behind the other. */
class ScratchPieces implements Pieces {
  readonly #file: ScratchFile;
  /** Where each ends. */
  readonly #ends: number[] = [];
  #size = 0;

  constructor(path: string) {
    this.#file = new ScratchFile(path);
  }

  readonly put = (piece: Uint8Array): void => {
    this.#file.write(piece, this.#size);
    this.#size += piece.length;
    this.#ends.push(this.#size);
  };

  get(number: number): Uint8Array {
    const begin = number === 0 ? 0 : this.#ends[number - 1]!;
    const piece = new Uint8Array(this.#ends[number]! - begin);
    this.#file.read(piece, begin);
    return piece;
  }

  /** Bytes so far. */
  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Generator<Uint8Array> {
    for (const number of this.#ends.keys()) yield this.get(number);
  }

  remove(): void {
    this.#file.remove();
  }
}

function* stepsIn(pieces: ScratchPieces): Generator<Uint16Array> {
  for (const { buffer } of pieces) yield new Uint16Array(buffer);
}
