/**
 * Rows (`row-bytes.ts`) written into segments: pieces of memory with whole rows, one behind the other. Knows rows; not
 * what becomes of the segments.
 */
import type { ContextRow, LoneContexts } from "./count-contexts.ts";
import { idBytesOf, SINGLE, varintBytes } from "./row-bytes.ts";

/** A segment is longer only where one row is. */
const SEGMENT_BYTES = 2 ** 22;

/** Takes each segment when it is full. It is the writer's again when this returns. */
export type TakeSegment = (segment: Uint8Array) => void;

/** The segment that is being written. */
export class OpenSegment {
  bytes: Uint8Array = new Uint8Array(SEGMENT_BYTES);
  size = 0;
  readonly #take: TakeSegment;

  constructor(take: TakeSegment) {
    this.#take = take;
  }

  /** Makes room behind `size`. */
  reserve(size: number): void {
    if (this.bytes.length - this.size >= size) return;
    this.close();
    if (this.bytes.length < size) this.bytes = new Uint8Array(size);
  }

  /** Hands out what there is. */
  close(): void {
    if (this.size > 0) this.#take(this.bytes.subarray(0, this.size));
    this.size = 0;
  }

  append(from: Uint8Array, begin: number, end: number): void {
    const { bytes, size } = this;
    // Rows are short: a loop is faster than a view of each.
    if (end - begin > 64) bytes.set(from.subarray(begin, end), size);
    else for (let i = begin, at = size; i < end; i++, at++) bytes[at] = from[i]!;
    this.size = size + end - begin;
  }

  varint(value: number): void {
    this.size = putVarint(this.bytes, this.size, value);
  }
}

/** Returns where it ends. */
function putVarint(bytes: Uint8Array, from: number, value: number): number {
  let at = from;
  let rest = value;
  for (; rest >= 128; rest >>>= 7) bytes[at++] = rest | 128;
  bytes[at++] = rest;
  return at;
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
    const { depth, ids, place, successors, counts, size, total } = row;
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
    if (!isSingle) {
      let rest = varintBytes(size) + varintBytes(total) + 1 + size * idBytes;
      if (size === 1) rest += varintBytes(total);
      else for (let i = 0; i < size; i++) rest += varintBytes(counts[successors[i]!]!);
      at = putVarint(bytes, at, rest);
      at = putVarint(bytes, at, size);
      at = putVarint(bytes, at, total);
      bytes[at++] = 0;
    }
    for (let i = 0; i < size; i++) {
      const id = successors[i]!;
      bytes[at++] = id;
      bytes[at++] = id >>> 8;
      if (idBytes === 3) bytes[at++] = id >>> 16;
      if (isSingle) break;
      const count = size === 1 ? total : counts[id]!;
      if (count < 128) bytes[at++] = count;
      else at = putVarint(bytes, at, count);
    }
    segment.size = at;
  }

  /** A row for each, with the one successor. */
  writeLone({ from, to, ids, place, id }: LoneContexts): void {
    const [idBytes, segment] = [this.#idBytes, this.#segment];
    segment.reserve((from - to + 1) * (1 + (from + 1) * idBytes));
    const { bytes } = segment;
    let at = segment.size;
    for (let depth = from; depth >= to; depth--) {
      bytes[at++] = depth + SINGLE;
      for (let back = 1; back <= depth + 1; back++) {
        const one = back > depth ? id : ids[place - back]!;
        bytes[at++] = one;
        bytes[at++] = one >>> 8;
        if (idBytes === 3) bytes[at++] = one >>> 16;
      }
    }
    segment.size = at;
  }
}
