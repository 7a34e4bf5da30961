/**
 * Bytes against the sums that a manifest has of them: makes sums, and finds where a file is no longer what it was.
 * Reads a piece at a time, whatever a file's size. Knows bytes; not what they mean.
 */
import type { ByteRanges } from "../bytes/index.ts";
import { FormatError } from "../errors.ts";
import { crc32c } from "../numerics/index.ts";
import { type FileRecord, hexOfSum, numParts, partBytesFor } from "./manifest.ts";

/** Bytes read at a time: some milliseconds of work. */
const PIECE_BYTES = 1 << 22;

/** Bytes of a file that are not what they were: `begin` inclusive, `end` exclusive. */
export interface Damage {
  readonly begin: number;
  readonly end: number;
  /** What was expected, and what was found. */
  readonly text: string;
}

export interface CheckOptions {
  /** Only the parts that have some of the first so many bytes. Default: all. */
  readonly first?: number;
  readonly signal?: AbortSignal | undefined;
  /** What to do about damage, for the error. */
  readonly advice?: string | undefined;
}

/** Size and sums of a file as it is now. */
export async function recordOf(ranges: ByteRanges): Promise<FileRecord> {
  const bytes = ranges.size;
  const partBytes = partBytesFor(bytes);
  const sums: number[] = [];
  for await (const sum of sumsOf(ranges, { bytes, partBytes })) sums.push(sum);
  return { bytes, partBytes, sums };
}

/** Where an open file is not as `record` says, in order. */
export async function* findDamageInRanges(
  ranges: ByteRanges,
  record: FileRecord,
  { first = Infinity, signal }: CheckOptions = {},
): AsyncGenerator<Damage> {
  const { size } = ranges;
  if (size !== record.bytes) return void (yield wrongSize(size, record));
  if (record.sums === undefined) return;
  const { partBytes, sums } = record;
  const bytes = Math.min(size, Math.ceil(Math.min(first, size) / partBytes) * partBytes);
  let part = 0;
  for await (const found of sumsOf(ranges, { bytes, partBytes })) {
    signal?.throwIfAborted();
    yield* damageIn(part, { record, expected: sums[part]!, found });
    part++;
  }
}

/** As `findDamageInRanges`, for bytes at hand; undefined stands for no file. */
export function* findDamageIn(
  bytes: Uint8Array | undefined,
  record: FileRecord,
): Generator<Damage> {
  if (bytes?.length !== record.bytes) return void (yield wrongSize(bytes?.length, record));
  for (const [part, expected] of (record.sums ?? []).entries()) {
    const begin = part * record.partBytes;
    const found = crc32c(bytes.subarray(begin, begin + record.partBytes));
    yield* damageIn(part, { record, expected, found });
  }
}

/** What a file should be, and what to do if it is not. */
export interface ExpectedFile extends Pick<CheckOptions, "advice"> {
  readonly record: FileRecord;
}

/** Throws `FormatError` with the first damage; undefined stands for no file. */
export function checkBytes(
  path: string,
  bytes: Uint8Array | undefined,
  { record, advice }: ExpectedFile,
): void {
  for (const damage of findDamageIn(bytes, record)) throw damaged(path, damage, advice);
}

/** Throws `FormatError` with the first damage. */
export async function checkRanges(
  ranges: ByteRanges,
  { record, ...options }: ExpectedFile & CheckOptions,
): Promise<void> {
  for await (const damage of findDamageInRanges(ranges, record, options))
    throw damaged(ranges.name, damage, options.advice);
}

export function damaged(path: string, { text }: Damage, advice?: string): FormatError {
  const what = `${path}: ${text}; it was damaged, or changed since it was saved`;
  return new FormatError(advice === undefined ? what : `${what} (${advice})`);
}

function wrongSize(size: number | undefined, { bytes }: Pick<FileRecord, "bytes">): Damage {
  const begin = Math.min(size ?? 0, bytes);
  const found = size === undefined ? "there is none" : `found ${size}`;
  return { begin, end: begin, text: `expected ${bytes} bytes, ${found}` };
}

/** What is wrong with a part of a file whose sum was `found`, if anything is. */
export function* damageIn(
  part: number,
  { record, expected, found }: { record: FileRecord; expected: number; found: number },
): Generator<Damage> {
  if (found === expected) return;
  const begin = part * record.partBytes;
  const end = Math.min(record.bytes, begin + record.partBytes);
  yield {
    begin,
    end,
    text: `expected CRC-32C ${hexOfSum(expected)} of bytes ${begin} to ${end - 1}, found ${hexOfSum(found)}`,
  };
}

/** The sums of the parts of a file's first `bytes`. */
async function* sumsOf(
  ranges: ByteRanges,
  { bytes, partBytes }: { bytes: number; partBytes: number },
): AsyncGenerator<number> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, bytes));
  const parts = numParts({ bytes, partBytes });
  let at = 0;
  let piece = buffer.subarray(0, 0);
  for (let part = 0; part < parts; part++) {
    const end = Math.min(bytes, (part + 1) * partBytes);
    let sum = 0;
    while (at < end) {
      if (piece.length === 0) {
        piece = buffer.subarray(0, bytes - at);
        await ranges.read(at, piece);
      }
      const length = Math.min(piece.length, end - at);
      sum = crc32c(piece.subarray(0, length), sum);
      piece = piece.subarray(length);
      at += length;
    }
    yield sum;
  }
}
