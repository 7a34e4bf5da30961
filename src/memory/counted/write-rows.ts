/**
 * Rows (`row-bytes.ts`) written into segments: pieces of memory with whole rows, one behind the other. Knows rows; not
 * what becomes of the segments.
 */
import type { ContextRow } from "./count-contexts.ts";
import { idBytesOf, SINGLE, varintBytes } from "./row-bytes.ts";
import { copyBytes } from "./written-rows.ts";

/** A segment is longer only where one row is. */
const SEGMENT_BYTES = 2 ** 22;

/** Takes each segment when it is full, to keep. */
export type TakeSegment = (segment: Uint8Array) => void;

/** The segment that is being written. */
export class OpenSegment {
  bytes: Uint8Array = new Uint8Array(0);
  size = 0;
  readonly #take: TakeSegment;

  constructor(take: TakeSegment) {
    this.#take = take;
  }

  /** Makes room behind `size`. */
  reserve(size: number): void {
    if (this.bytes.length - this.size >= size) return;
    this.close();
    this.bytes = new Uint8Array(Math.max(SEGMENT_BYTES, size));
  }

  /** Hands out what there is. */
  close(): void {
    if (this.size > 0) this.#take(this.bytes.subarray(0, this.size));
    this.bytes = new Uint8Array(0);
    this.size = 0;
  }

  append(from: Uint8Array, begin: number, end: number): void {
    copyBytes(from, { from: begin, end, into: this.bytes, at: this.size });
    this.size += end - begin;
  }

  varint(value: number): void {
    let rest = value;
    for (; rest >= 128; rest >>>= 7) this.bytes[this.size++] = rest | 128;
    this.bytes[this.size++] = rest;
  }
}

export class RowWriter {
  readonly #idBytes: number;
  readonly #segment: OpenSegment;

  constructor(vocabSize: number, take: TakeSegment) {
    this.#idBytes = idBytesOf(vocabSize);
    this.#segment = new OpenSegment(take);
  }

  /** Hands out the last segment. Call after the last row. */
  finish(): void {
    this.#segment.close();
  }

  /** All successors are listed. */
  write(row: ContextRow): void {
    const { depth, ids, place, successors, size, total } = row;
    const [idBytes, segment] = [this.#idBytes, this.#segment];
    segment.reserve(32 + (depth + 1) * idBytes + size * (idBytes + 5));
    const isSingle = total === 1;
    const { bytes } = segment;
    let at = segment.size;
    bytes[at++] = isSingle ? depth + SINGLE : depth;
    for (let back = 1; back <= depth; back++) {
      const id = ids[place - back]!;
      bytes[at++] = id;
      bytes[at++] = id >>> 8;
      if (idBytes === 3) bytes[at++] = id >>> 16;
    }
    segment.size = at;
    if (isSingle) {
      this.#id(successors[0]!);
      return;
    }
    const numbers = varintBytes(size) + varintBytes(total) + 1;
    if (size === 1) {
      segment.varint(numbers + idBytes + varintBytes(total));
      this.#numbers(1, total);
      this.#id(successors[0]!);
      segment.varint(total);
      return;
    }
    const { counts } = row;
    let rest = numbers;
    for (let i = 0; i < size; i++) rest += idBytes + varintBytes(counts[successors[i]!]!);
    segment.varint(rest);
    this.#numbers(size, total);
    for (let i = 0; i < size; i++) {
      const id = successors[i]!;
      this.#id(id);
      segment.varint(counts[id]!);
    }
  }

  #numbers(listed: number, total: number): void {
    this.#segment.varint(listed);
    this.#segment.varint(total);
    this.#segment.varint(0);
  }

  #id(id: number): void {
    const segment = this.#segment;
    segment.bytes[segment.size++] = id;
    segment.bytes[segment.size++] = id >>> 8;
    if (this.#idBytes === 3) segment.bytes[segment.size++] = id >>> 16;
  }
}
