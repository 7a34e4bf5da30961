/**
 * Files against the sums that a manifest has of them: makes the sums of what was written, and finds where a file is
 * no longer what it was. Reads a piece at a time, whatever a file's size. Knows bytes; not what they mean.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { FormatError } from "../../errors.ts";
import { crc32c } from "../../numerics/index.ts";
import {
  type FileRecord,
  formatManifest,
  hexOfSum,
  type Manifest,
  manifestName,
  numParts,
  parseManifest,
  partBytesFor,
} from "../manifest.ts";
import { writeDurably } from "./durable.ts";

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

/** Size and sums of the file at `path` as it is now. */
export async function recordOfFile(path: string): Promise<FileRecord> {
  const file = await open(path, "r");
  try {
    const { size: bytes } = await file.stat();
    const partBytes = partBytesFor(bytes);
    const sums: number[] = [];
    for await (const sum of sumsOf(file, { bytes, partBytes })) sums.push(sum);
    return { bytes, partBytes, sums };
  } finally {
    await file.close();
  }
}

/** Sums up these files of `directory` as they are now, and `beside`, into its manifest.json, over any that is there. */
export async function writeManifest(
  directory: string,
  names: readonly string[],
  beside: Manifest = new Map(),
): Promise<void> {
  const manifest = new Map(beside);
  for (const name of names) manifest.set(name, await recordOfFile(join(directory, name)));
  await writeDurably(join(directory, manifestName), (file) =>
    file.writeFile(formatManifest(manifest)),
  );
}

/** The manifest at `path`; empty if there is none. Throws `FormatError` for one that is damaged. */
export async function readManifest(path: string | undefined): Promise<Manifest> {
  if (path === undefined) return new Map();
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw error;
  }
  return parseManifest(text, path);
}

/** Where the file at `path` is not as `record` says, in order. A file that is missing is damaged from byte 0. */
export async function* findDamage(
  path: string,
  record: FileRecord,
  { first = Infinity, signal }: CheckOptions = {},
): AsyncGenerator<Damage> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    yield { begin: 0, end: 0, text: `expected a file of ${record.bytes} bytes, there is none` };
    return;
  }
  try {
    const { size } = await file.stat();
    if (size !== record.bytes) {
      const begin = Math.min(size, record.bytes);
      yield { begin, end: begin, text: `expected ${record.bytes} bytes, found ${size}` };
      return;
    }
    if (record.sums === undefined) return;
    const { partBytes, sums } = record;
    const bytes = Math.min(size, Math.ceil(Math.min(first, size) / partBytes) * partBytes);
    let part = 0;
    for await (const found of sumsOf(file, { bytes, partBytes })) {
      signal?.throwIfAborted();
      yield* damageIn(part, { record, expected: sums[part]!, found });
      part++;
    }
  } finally {
    await file.close();
  }
}

/** As `findDamage`, for bytes at hand. */
export function* findDamageIn(
  bytes: Uint8Array | undefined,
  record: FileRecord,
): Generator<Damage> {
  if (bytes?.length !== record.bytes) {
    const found = bytes === undefined ? "there is none" : `found ${bytes.length}`;
    const begin = Math.min(bytes?.length ?? 0, record.bytes);
    yield { begin, end: begin, text: `expected ${record.bytes} bytes, ${found}` };
    return;
  }
  for (const [part, expected] of (record.sums ?? []).entries()) {
    const begin = part * record.partBytes;
    const found = crc32c(bytes.subarray(begin, begin + record.partBytes));
    yield* damageIn(part, { record, expected, found });
  }
}

/** Throws `FormatError` with the first damage. */
export async function checkFile(
  path: string,
  record: FileRecord,
  options: CheckOptions = {},
): Promise<void> {
  for await (const damage of findDamage(path, record, options))
    throw damaged(path, damage, options);
}

/** What a file should be, and what to do if it is not. */
export interface ExpectedFile extends Pick<CheckOptions, "advice"> {
  readonly record: FileRecord;
}

/** As `checkFile`, for a file whose bytes are at hand; undefined stands for no file. */
export function checkBytes(
  path: string,
  bytes: Uint8Array | undefined,
  { record, ...options }: ExpectedFile,
): void {
  for (const damage of findDamageIn(bytes, record)) throw damaged(path, damage, options);
}

function damaged(
  path: string,
  { text }: Damage,
  { advice }: Pick<CheckOptions, "advice">,
): FormatError {
  const what = `${path}: ${text}; it was damaged, or changed since it was saved`;
  return new FormatError(advice === undefined ? what : `${what} (${advice})`);
}

function* damageIn(
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
  file: FileHandle,
  { bytes, partBytes }: { bytes: number; partBytes: number },
): AsyncGenerator<number> {
  const buffer = new Uint8Array(Math.min(PIECE_BYTES, bytes));
  const parts = numParts({ bytes, partBytes });
  let at = 0;
  let filled = 0;
  let used = 0;
  for (let part = 0; part < parts; part++) {
    const end = Math.min(bytes, (part + 1) * partBytes);
    let sum = 0;
    while (at < end) {
      if (used === filled) {
        const length = Math.min(buffer.length, bytes - at);
        ({ bytesRead: filled } = await file.read(buffer, 0, length, at));
        if (filled === 0) break;
        used = 0;
      }
      const length = Math.min(filled - used, end - at);
      sum = crc32c(buffer.subarray(used, used + length), sum);
      used += length;
      at += length;
    }
    yield sum;
  }
}
