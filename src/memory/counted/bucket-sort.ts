/**
 * Rows put into their buckets, those of a bucket in the order in which they come: what a table's bytes are. Knows rows and
 * offsets; not whether rows lie in RAM or in a file meanwhile.
 */
import { InvalidConfigError } from "../../errors.ts";
import { type CountedDirectory, lastMixed, mixedIn, numBucketsFor } from "./bucket-placement.ts";
import type { CountedTotals } from "./count-rows.ts";
import { copyBytes, WrittenRow } from "./written-rows.ts";

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
const BUFFER_BYTES = 2 ** 15;

interface Region {
  readonly buffer: Uint8Array;
  size: number;
  readonly pieces: number[];
}

/**
 * First each row goes to its region, some buckets side by side; then region by region is put in order, because a region
 * fits into a core's cache and a table does not. In memory: 32 KiB for each region of 2 MiB, and one region.
 */
export class BucketSort {
  readonly #directory: CountedDirectory;
  readonly #pieces: Pieces;
  #numPieces = 0;
  /** Contexts of one id come in the order of their buckets. */
  readonly #ofOneId: Region;
  readonly #regions: readonly Region[];
  /** A region has two to the power of this many buckets. */
  readonly #shift: number;
  readonly #row: WrittenRow;
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
    this.#row = new WrittenRow(vocabSize);
    const numHashed = numBuckets - vocabSize;
    const wanted = Math.ceil(of.rowBytes / (of.regionBytes ?? REGION_BYTES));
    this.#shift = Math.max(0, Math.floor(Math.log2(numHashed / Math.max(1, wanted))));
    const numRegions = Math.ceil(numHashed / 2 ** this.#shift);
    this.#ofOneId = newRegion();
    this.#regions = Array.from({ length: numRegions }, newRegion);
  }

  add(segment: Uint8Array): void {
    const row = this.#row;
    const { vocabSize, offsets } = this.#directory;
    const numHashed = (offsets.length - 1 - vocabSize) >>> 0;
    const { length } = segment;
    for (let from = 0; from < length;) {
      const depth = row.begin(segment, from);
      let region = this.#ofOneId;
      let bucket: number;
      if (depth === 1) bucket = row.id();
      else {
        const hashed = hashOf(row, depth) % numHashed;
        region = this.#regions[hashed >>> this.#shift]!;
        bucket = vocabSize + hashed;
      }
      const end = row.end();
      const size = end - from;
      offsets[bucket + 1]! += size;
      if (region.size + size > BUFFER_BYTES) this.#putAway(region);
      if (size > BUFFER_BYTES) this.#put(region, segment.subarray(from, end));
      else {
        copyBytes(segment, { from, end, into: region.buffer, at: region.size });
        region.size += size;
      }
      from = end;
    }
    this.#numBytes += length;
  }

  /** Call after the last segment. Throws `InvalidConfigError` for more bytes than offsets reach. */
  finish(): CountedDirectory {
    if (this.#numBytes > 2 ** 32 - 1)
      throw new InvalidConfigError(
        `the counts take ${this.#numBytes} bytes, and a table holds ${2 ** 32 - 1}: count less text, or shorter n-grams`,
      );
    this.#putAway(this.#ofOneId);
    for (const region of this.#regions) this.#putAway(region);
    const { offsets } = this.#directory;
    for (let at = 1; at < offsets.length; at++) offsets[at]! += offsets[at - 1]!;
    return this.#directory;
  }

  /** All rows in order. Call after `finish`. */
  *sorted(): Generator<Uint8Array> {
    const { vocabSize, offsets } = this.#directory;
    for (const piece of this.#ofOneId.pieces) yield this.#pieces.get(piece);
    const perRegion = 2 ** this.#shift;
    for (const [i, { pieces }] of this.#regions.entries()) {
      const first = vocabSize + i * perRegion;
      const places = offsets.slice(first, Math.min(first + perRegion, offsets.length - 1) + 1);
      const begin = places[0]!;
      for (let bucket = 0; bucket < places.length; bucket++) places[bucket]! -= begin;
      const into = new Uint8Array(places.at(-1)!);
      for (const piece of pieces) this.#place(this.#pieces.get(piece), places, into);
      yield into;
    }
  }

  /** Copies rows to their places in a region, and moves these on. */
  #place(rows: Uint8Array, places: Uint32Array, into: Uint8Array): void {
    const row = this.#row;
    const { vocabSize, offsets } = this.#directory;
    const numHashed = (offsets.length - 1 - vocabSize) >>> 0;
    const mask = 2 ** this.#shift - 1;
    const { length } = rows;
    for (let from = 0; from < length;) {
      const depth = row.begin(rows, from);
      const bucket = (hashOf(row, depth) % numHashed) & mask;
      const end = row.end();
      const at = places[bucket]!;
      copyBytes(rows, { from, end, into, at });
      places[bucket] = at + end - from;
      from = end;
    }
  }

  #putAway(region: Region): void {
    if (region.size > 0) this.#put(region, region.buffer.subarray(0, region.size));
    region.size = 0;
  }

  #put(region: Region, piece: Uint8Array): void {
    this.#pieces.put(piece);
    region.pieces.push(this.#numPieces++);
  }
}

function newRegion(): Region {
  return { buffer: new Uint8Array(BUFFER_BYTES), size: 0, pieces: [] };
}

/** Of the context that the row is at. */
function hashOf(row: WrittenRow, depth: number): number {
  let hash = depth;
  for (let back = 1; back <= depth; back++) hash = mixedIn(hash, row.id());
  return lastMixed(hash);
}
