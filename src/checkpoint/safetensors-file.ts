/**
 * One safetensors file, wherever its bytes are. Opening reads the header and nothing else; a tensor's bytes are read
 * when asked for, whole or in part, into memory of the caller's choice. Does not know what tensors mean, nor convert
 * elements: bytes in, bytes out, little endian (every machine this runs on).
 */
import { type ByteRanges, EndedError } from "../bytes/index.ts";
import { FormatError, RequestError } from "../errors.ts";
import { refuseForeign } from "../foreign-file.ts";
import {
  formatSpec,
  headerEnd,
  parseHeader,
  type SafetensorsHeader,
  type TensorSpan,
  type TensorSpec,
} from "./safetensors.ts";

/** A tensor to be written. */
export interface TensorSource extends TensorSpec {
  /**
   * Its bytes from first to last, in pieces of any size. Called once, when the writer reaches it. A
   * piece is written before the next is asked for, so one buffer may be refilled.
   */
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface ReadRangeOptions {
  /** Bytes of the tensor, counted from its first: `begin` inclusive, `end` exclusive. */
  readonly begin: number;
  readonly end: number;
  /** Filled from its start. May lie in shared memory. */
  readonly into: Uint8Array;
  /**
   * `into` is all zero, so zeros need not be stored into it: pages of fresh memory that the file has
   * nothing for stay untouched, and cost no RAM. Default false.
   */
  readonly isZeroed?: boolean;
}

/** A tensor already in memory, as something to write. `data` is written as it lies. */
export function tensorSource(spec: TensorSpec, data: ArrayBufferView): TensorSource {
  const { name, dtype, shape } = spec;
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return { name, dtype, shape, chunks: () => [bytes] };
}

/** Bytes read at first: all of most headers, in one request to a server. */
const HEAD_BYTES = 1 << 16;

export class SafetensorsFile {
  readonly path: string;
  readonly header: SafetensorsHeader;
  readonly #ranges: ByteRanges;

  private constructor(ranges: ByteRanges, header: SafetensorsHeader) {
    this.path = ranges.name;
    this.header = header;
    this.#ranges = ranges;
  }

  /** Reads and checks the header. Throws `FormatError`, naming the file, if it is not sound. Owns `ranges`. */
  static async open(ranges: ByteRanges): Promise<SafetensorsFile> {
    const { name, size } = ranges;
    let head = new Uint8Array(Math.min(size, HEAD_BYTES));
    try {
      await ranges.read(0, head);
      const end = headerEnd(head, size);
      if (end > head.length) await ranges.read(0, (head = new Uint8Array(end)));
      return new SafetensorsFile(ranges, parseHeader(head, size));
    } catch (cause) {
      await ranges.close();
      if (!(cause instanceof FormatError)) throw cause;
      refuseForeign(name, head, "a safetensors file");
      throw new FormatError(`${name}: ${cause.message}`, { cause });
    }
  }

  get tensors(): ReadonlyMap<string, TensorSpan> {
    return this.header.tensors;
  }

  /** All bytes of a tensor, into new memory. Throws `RequestError` for a name that is not there. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const span = this.#span(name);
    const into = new Uint8Array(span.end - span.begin);
    await this.readRange(name, { begin: 0, end: into.length, into });
    return into;
  }

  /**
   * Reads a part of a tensor. Never short: throws `FormatError` if the file has shrunk, `RequestError` if
   * the range is not the tensor's.
   */
  async readRange(name: string, options: ReadRangeOptions): Promise<void> {
    const { begin, end, into, isZeroed = false } = options;
    const span = this.#span(name);
    const size = span.end - span.begin;
    if (!(begin >= 0 && begin <= end && end <= size))
      throw new RequestError(`bytes ${begin} to ${end} of tensor "${name}": it has ${size}`);
    if (into.length < end - begin)
      throw new RequestError(
        `bytes ${begin} to ${end} of tensor "${name}" do not fit into ${into.length}`,
      );
    const place = into.subarray(0, end - begin);
    try {
      if (isZeroed) await readSparse(this.#ranges, span.begin + begin, place);
      else await this.#ranges.read(span.begin + begin, place);
    } catch (cause) {
      if (!(cause instanceof EndedError)) throw cause;
      throw new FormatError(
        `${this.path}: tensor "${name}" (${formatSpec(span)}) ends after ${cause.end - span.begin} of ${size} bytes: ` +
          "the file was cut after it was opened",
        { cause },
      );
    }
  }

  async close(): Promise<void> {
    await this.#ranges.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #span(name: string): TensorSpan {
    const span = this.tensors.get(name);
    if (span === undefined)
      throw new RequestError(`${this.path} has no tensor "${name}"; it has ${this.tensors.size}`);
    return span;
  }
}

/** Zeros are looked for in blocks of this size; a hole smaller than a disk block gains nothing. */
const BLOCK_BYTES = 1 << 16;

/** As `read`, by way of a small buffer, so that blocks of zeros are never stored. */
async function readSparse(ranges: ByteRanges, from: number, into: Uint8Array): Promise<void> {
  const buffer = new Uint8Array(Math.min(into.length, 64 * BLOCK_BYTES));
  for (let done = 0; done < into.length; done += buffer.length) {
    const piece = buffer.subarray(0, into.length - done);
    await ranges.read(from + done, piece);
    for (let begin = 0; begin < piece.length; begin += BLOCK_BYTES) {
      const block = piece.subarray(begin, begin + BLOCK_BYTES);
      if (!isZero(block)) into.set(block, done + begin);
    }
  }
}

/** `bytes` begin a buffer's block of a multiple of four bytes. Most blocks that are not zero show it at once. */
function isZero(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0) return false;
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  return (
    words.every((word) => word === 0) && bytes.subarray(words.length << 2).every((b) => b === 0)
  );
}
