/**
 * One safetensors file on disk. Opening reads the header and nothing else; a tensor's bytes are read
 * when asked for, whole or in part, into memory of the caller's choice. Writing streams: no tensor
 * needs to be in memory whole. Does not know what tensors mean, nor convert elements: bytes in,
 * bytes out, little endian (every machine Node runs on).
 */
import { type FileHandle, open } from "node:fs/promises";
import { FormatError, InvariantError, RequestError } from "../../errors.ts";
import { FOREIGN_HEAD_BYTES, refuseForeign } from "../../foreign-file.ts";
import {
  formatSpec,
  headerEnd,
  layoutFile,
  parseHeader,
  type SafetensorsHeader,
  type TensorSpan,
  type TensorSpec,
} from "../safetensors.ts";
import { writeDurably } from "./durable.ts";
import { writeFailure } from "./write-failure.ts";

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
  return { name, dtype, shape, chunks: () => [bytesOf(data)] };
}

export class SafetensorsFile {
  readonly path: string;
  readonly header: SafetensorsHeader;
  readonly #file: FileHandle;

  private constructor(path: string, header: SafetensorsHeader, file: FileHandle) {
    this.path = path;
    this.header = header;
    this.#file = file;
  }

  /** Reads and checks the header. Throws `FormatError`, naming the file, if it is not sound. */
  static async open(path: string): Promise<SafetensorsFile> {
    const file = await open(path, "r");
    try {
      const { size } = await file.stat();
      const start = new Uint8Array(8);
      const got = await readInto(file, start, 0);
      const end = headerEnd(start.subarray(0, got), size);
      const bytes = new Uint8Array(end);
      if ((await readInto(file, bytes, 0)) < end)
        throw new FormatError(`its header ends at byte ${end}, reading stopped before that`);
      return new SafetensorsFile(path, parseHeader(bytes, size), file);
    } catch (cause) {
      try {
        if (!(cause instanceof FormatError)) throw cause;
        const head = new Uint8Array(FOREIGN_HEAD_BYTES);
        refuseForeign(path, head.subarray(0, await readInto(file, head, 0)), "a safetensors file");
        throw new FormatError(`${path}: ${cause.message}`, { cause });
      } finally {
        await file.close();
      }
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
    const read = isZeroed ? readSparse : readInto;
    const got = await read(this.#file, into.subarray(0, end - begin), span.begin + begin);
    if (got < end - begin)
      throw new FormatError(
        `${this.path}: tensor "${name}" (${formatSpec(span)}) ends after ${begin + got} of ${size} bytes: the file was cut after it was opened`,
      );
  }

  async close(): Promise<void> {
    await this.#file.close();
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

/**
 * Writes tensors to `path`: to `path.tmp` first, forced to disk, then renamed, so that `path` is
 * either what it was or complete. Blocks of zeros become holes, which take no disk (a table whose
 * rows are mostly untouched). Throws `StoreError` when the disk is full; `path` is then as before.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorSource[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<SafetensorsHeader> {
  const { bytes, header } = layoutFile(tensors, metadata);
  const byName = new Map(tensors.map((t) => [t.name, t]));
  try {
    await writeDurably(path, async (file) => {
      await writeAt(file, bytes, 0);
      for (const span of header.tensors.values()) await writeTensor(file, span, byName);
      // Gives the file its length if it ends in a hole.
      await file.truncate(header.fileBytes);
    });
  } catch (error) {
    throw writeFailure(error, path);
  }
  return header;
}

async function writeTensor(
  file: FileHandle,
  span: TensorSpan,
  sources: ReadonlyMap<string, TensorSource>,
): Promise<void> {
  let at = span.begin;
  for await (const chunk of sources.get(span.name)!.chunks()) {
    if (at + chunk.length > span.end) at = Infinity;
    else at = await writeSparse(file, chunk, at);
    if (at === Infinity) break;
  }
  if (at !== span.end)
    throw new InvariantError(
      `tensor "${span.name}" (${formatSpec(span)}) needs ${span.end - span.begin} bytes, its source gave ${at < span.end ? at - span.begin : "more"}`,
    );
}

/** Zeros are looked for in blocks of this size; a hole smaller than a disk block gains nothing. */
const blockBytes = 1 << 16;
const zeroBlock: Uint8Array = new Uint8Array(blockBytes);

/** Writes `bytes` at `position`, leaving zero blocks unwritten. Returns the position after them. */
async function writeSparse(file: FileHandle, bytes: Uint8Array, position: number): Promise<number> {
  let from = 0;
  for (let begin = 0; begin < bytes.length; begin += blockBytes) {
    const end = Math.min(begin + blockBytes, bytes.length);
    if (end - begin < blockBytes || !isZero(bytes, begin)) continue;
    if (from < begin) await writeAt(file, bytes.subarray(from, begin), position + from);
    from = end;
  }
  if (from < bytes.length) await writeAt(file, bytes.subarray(from), position + from);
  return position + bytes.length;
}

function isZero(bytes: Uint8Array, begin: number): boolean {
  // Most blocks that are not zero show it at once; the rest is one memcmp.
  if (bytes[begin] !== 0) return false;
  return Buffer.compare(bytes.subarray(begin, begin + blockBytes), zeroBlock) === 0;
}

/** Linux moves at most 2^31 - 4096 bytes a call; smaller pieces keep the thread pool fair. */
const maxTransfer = 1 << 28;

async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(maxTransfer, bytes.length - done);
    const { bytesWritten } = await file.write(bytes, done, length, position + done);
    done += bytesWritten;
  }
}

/** Fills `into` from `position`; returns how many bytes there were before the file's end. */
async function readInto(file: FileHandle, into: Uint8Array, position: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const length = Math.min(maxTransfer, into.length - done);
    const { bytesRead } = await file.read(into, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

/** As `readInto`, by way of a small buffer, so that blocks of zeros are never stored. */
async function readSparse(file: FileHandle, into: Uint8Array, position: number): Promise<number> {
  const buffer = new Uint8Array(Math.min(into.length, 64 * blockBytes));
  for (let done = 0; done < into.length;) {
    const wanted = buffer.subarray(0, into.length - done);
    const got = await readInto(file, wanted, position + done);
    for (let begin = 0; begin < got; begin += blockBytes) {
      const block = buffer.subarray(begin, Math.min(begin + blockBytes, got));
      if (block.length < blockBytes || !isZero(buffer, begin)) into.set(block, done + begin);
    }
    done += got;
    if (got < wanted.length) return done;
  }
  return into.length;
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
