/**
 * Rows put into their buckets, those of a bucket in the order in which they come: what a table's bytes are. Knows rows and
 * offsets; not whether rows lie in RAM or in a file meanwhile.
 */
import { InvalidConfigError } from "../../errors.ts";
import { type CountedDirectory, lastMixed, mixedIn, numBucketsFor } from "./bucket-placement.ts";
import type { CountedTotals } from "./count-rows.ts";
import { idBytesOf, SINGLE } from "./row-bytes.ts";
import { varintAt } from "./written-rows.ts";

/**
 * Where rows lie until they are in order: put away, and read again by number. RAM or a file; a piece is only the caller's
 * when `put` returns.
 */
export interface Pieces {
  put(piece: Uint8Array): void;
  get(number: number): Uint8Array;
}

/** Bytes of buckets that are put in order at once: they fit into a core's cache. */
const REGION_BYTES = 2 ** 21;
/** Bytes of a region that are collected before they are put away. */
const BUFFER_BYTES = 2 ** 13;

interface PartOfTable {
  readonly places: Uint32Array;
  readonly first: number;
  readonly into: Uint8Array;
}

/** Rows that are looked at before anything is done with them. */
const BATCH = 2 ** 10;

/** Where rows that follow each other end, and their buckets. */
class RowBuckets {
  readonly buckets: Uint32Array = new Uint32Array(BATCH);
  readonly ends: Uint32Array = new Uint32Array(BATCH);
  readonly #vocabSize: number;
  readonly #numHashed: number;
  readonly #idBytes: number;

  constructor(vocabSize: number, numBuckets: number) {
    this.#vocabSize = vocabSize;
    this.#numHashed = numBuckets - vocabSize;
    this.#idBytes = idBytesOf(vocabSize);
  }

  /** Reads a batch of rows at most, from a row on, and returns how many. */
  read(bytes: Uint8Array, from: number): number {
    const { buckets, ends } = this;
    const [idBytes, vocabSize, numHashed] = [this.#idBytes, this.#vocabSize, this.#numHashed >>> 0];
    const { length } = bytes;
    let numRows = 0;
    for (let at = from; at < length && numRows < BATCH; numRows++) {
      const first = bytes[at++]!;
      const depth = first & (SINGLE - 1);
      let hash = depth;
      let id = 0;
      for (let back = 1; back <= depth; back++) {
        id = bytes[at]! | (bytes[at + 1]! << 8);
        if (idBytes === 3) id |= bytes[at + 2]! << 16;
        at += idBytes;
        hash = mixedIn(hash, id);
      }
      if (first >= SINGLE) at += idBytes;
      else {
        const behind = varintAt(bytes, at);
        while (bytes[at++]! >= 128);
        at += behind;
      }
      buckets[numRows] = depth === 1 ? id : vocabSize + (lastMixed(hash) % numHashed);
      ends[numRows] = at;
    }
    return numRows;
  }
}

/**
 * First each row goes to its region, some buckets side by side; then region by region is put in order, because a region
 * fits into a core's cache and a table does not. In memory: 8 KiB for each region of 2 MiB, and one region.
 */
export class BucketSort {
  readonly #directory: CountedDirectory;
  readonly #pieces: Pieces;
  #numPieces = 0;
  /** What is collected of each region; the last is of contexts of one id, which come in the order of their buckets. */
  readonly #buffers: Uint8Array;
  readonly #sizes: Int32Array;
  /** The numbers of each region's pieces. */
  readonly #of: readonly number[][];
  /** A region has two to the power of this many buckets. */
  readonly #shift: number;
  readonly #rows: RowBuckets;
  #numBytes = 0;

  /** `numContexts`: of several ids; `rowBytes`: of all rows, about. */
  constructor(
    totals: CountedTotals,
    of: {
      numContexts: number;
      rowBytes: number;
      pieces: Pieces;
      regionBytes?: number | undefined;
    },
  ) {
    const { vocabSize } = totals;
    const numBuckets = numBucketsFor(of.numContexts, vocabSize);
    this.#directory = { ...totals, offsets: new Uint32Array(numBuckets + 1) };
    this.#pieces = of.pieces;
    this.#rows = new RowBuckets(vocabSize, numBuckets);
    const numHashed = numBuckets - vocabSize;
    const wanted = Math.ceil(of.rowBytes / (of.regionBytes ?? REGION_BYTES));
    this.#shift = Math.max(0, Math.floor(Math.log2(numHashed / Math.max(1, wanted))));
    const numRegions = Math.ceil(numHashed / 2 ** this.#shift);
    this.#buffers = new Uint8Array((numRegions + 1) * BUFFER_BYTES);
    this.#sizes = new Int32Array(numRegions + 1);
    this.#of = Array.from({ length: numRegions + 1 }, () => []);
  }

  add(segment: Uint8Array): void {
    const { vocabSize } = this.#directory;
    const [shift, buffers, sizes] = [this.#shift, this.#buffers, this.#sizes];
    const { buckets, ends } = this.#rows;
    const ofOneId = sizes.length - 1;
    for (let from = 0; from < segment.length;) {
      const numRows = this.#rows.read(segment, from);
      for (let row = 0; row < numRows; row++) {
        const [bucket, end] = [buckets[row]!, ends[row]!];
        const region = bucket < vocabSize ? ofOneId : (bucket - vocabSize) >>> shift;
        const size = end - from;
        if (sizes[region]! + size > BUFFER_BYTES) this.#putAway(region);
        if (size > BUFFER_BYTES) this.#put(region, segment.subarray(from, end));
        else {
          let to = region * BUFFER_BYTES + sizes[region]!;
          for (let i = from; i < end; i++) buffers[to++] = segment[i]!;
          sizes[region]! += size;
        }
        from = end;
      }
    }
    this.#numBytes += segment.length;
  }

  /** Call after the last segment. Throws `InvalidConfigError` for more bytes than offsets reach. */
  finish(): CountedDirectory {
    if (this.#numBytes > 2 ** 32 - 1)
      throw new InvalidConfigError(
        `the counts take ${this.#numBytes} bytes, and a table holds ${2 ** 32 - 1}: count less text, or shorter n-grams`,
      );
    const { offsets } = this.#directory;
    // Region by region, because the counts of all buckets are larger than a core's cache, too.
    for (const [region, pieces] of this.#of.entries()) {
      this.#putAway(region);
      for (const piece of pieces) this.#measure(this.#pieces.get(piece), offsets);
    }
    for (let at = 1; at < offsets.length; at++) offsets[at]! += offsets[at - 1]!;
    return this.#directory;
  }

  /** All rows in order. Call after `finish`. */
  *sorted(): Generator<Uint8Array> {
    const { vocabSize, offsets } = this.#directory;
    for (const piece of this.#of.at(-1)!) yield this.#pieces.get(piece);
    const perRegion = 2 ** this.#shift;
    for (const [i, pieces] of this.#of.slice(0, -1).entries()) {
      const first = vocabSize + i * perRegion;
      const places = offsets.slice(first, Math.min(first + perRegion, offsets.length - 1) + 1);
      const begin = places[0]!;
      for (let bucket = 0; bucket < places.length; bucket++) places[bucket]! -= begin;
      const into = new Uint8Array(places.at(-1)!);
      for (const piece of pieces) this.#place(this.#pieces.get(piece), { places, first, into });
      yield into;
    }
  }

  /** Adds the length of each row to the offset behind its bucket's. */
  #measure(piece: Uint8Array, offsets: Uint32Array): void {
    const { buckets, ends } = this.#rows;
    for (let from = 0; from < piece.length;) {
      const numRows = this.#rows.read(piece, from);
      for (let row = 0; row < numRows; row++) {
        offsets[buckets[row]! + 1]! += ends[row]! - from;
        from = ends[row]!;
      }
    }
  }

  /** Copies rows to their places in a region that begins with a bucket, and moves these on. */
  #place(piece: Uint8Array, { places, first, into }: PartOfTable): void {
    const { buckets, ends } = this.#rows;
    for (let from = 0; from < piece.length;) {
      const numRows = this.#rows.read(piece, from);
      for (let row = 0; row < numRows; row++) {
        const [place, end] = [buckets[row]! - first, ends[row]!];
        let to = places[place]!;
        while (from < end) into[to++] = piece[from++]!;
        places[place] = to;
      }
    }
  }

  #putAway(region: number): void {
    const begin = region * BUFFER_BYTES;
    const size = this.#sizes[region]!;
    if (size > 0) this.#put(region, this.#buffers.subarray(begin, begin + size));
    this.#sizes[region] = 0;
  }

  #put(region: number, piece: Uint8Array): void {
    this.#pieces.put(piece);
    this.#of[region]!.push(this.#numPieces++);
  }
}
