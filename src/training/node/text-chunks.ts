/**
 * A file or a pipe -> its text in pieces, decompressed (gzip, by content) and checked: bytes that are not UTF-8 are
 * refused, with their place and, if known, their real encoding. Holds one piece at a time. Knows nothing of
 * documents.
 */
import { stat } from "node:fs/promises";
import { pipeline, Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { readBytes } from "../../bytes/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { FOREIGN_HEAD_BYTES, refuseForeign } from "../../foreign-file.ts";

/** Bytes read at a time. */
const CHUNK_BYTES = 1 << 18;

/** A byte order mark at the beginning is not part of the text. Throws `FormatError` for a file that is not text. */
export async function* readTextChunks(file: string): AsyncGenerator<string> {
  const found = await stat(file);
  if (found.isDirectory())
    throw new InvalidConfigError(`${file} is a directory; name the text files in it one by one`);
  // A pipe has no size: an empty one is noticed when it is read.
  if (found.isFile() && found.size === 0)
    throw new FormatError(`${file} is empty; expected text to read`);
  const bytes = readBytes(file, { chunkBytes: CHUNK_BYTES });
  yield* decoded(file, decompressed(file, withHead(bytes)));
}

/** The same bytes, with a first piece that is long enough to recognise their kind. */
async function* withHead(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let head: Uint8Array | undefined = new Uint8Array(0);
  for await (const chunk of source) {
    if (head === undefined) {
      yield chunk;
      continue;
    }
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    if (head.length < FOREIGN_HEAD_BYTES) continue;
    yield head;
    head = undefined;
  }
  if (head !== undefined && head.length > 0) yield head;
}

async function* decompressed(
  file: string,
  source: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const first = await source.next();
  if (first.done) return;
  const all = putBack(first.value, source);
  if (!isGzip(first.value)) return yield* all;
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  // The reader of `gunzip` gets the errors of both.
  pipeline(Readable.from(all), gunzip, () => undefined);
  try {
    yield* withHead(gunzip as AsyncIterable<Uint8Array>);
  } catch (cause) {
    if (!String((cause as NodeJS.ErrnoException).code).startsWith("Z_")) throw cause;
    throw new FormatError(
      `${file} is compressed with gzip, and damaged or cut off (${(cause as Error).message}); make or fetch it again`,
      { cause },
    );
  }
}

function isGzip(head: Uint8Array): boolean {
  return head[0] === 0x1f && head[1] === 0x8b;
}

async function* putBack<T>(first: T, rest: AsyncIterable<T>): AsyncGenerator<T> {
  yield first;
  yield* rest;
}

async function* decoded(file: string, source: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let at = 0;
  for await (const chunk of source) {
    if (at === 0) {
      refuseForeign(file, chunk, "UTF-8 text");
      refuseWideCharacters(file, chunk);
    }
    const nul = chunk.indexOf(0);
    if (nul >= 0)
      throw new FormatError(`${file} looks binary: NUL at byte ${at + nul}; expected UTF-8 text`);
    let text: string;
    try {
      text = decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw notUtf8(file, at + firstInvalid(chunk), cause);
    }
    at += chunk.length;
    if (text !== "") yield text;
  }
  try {
    decoder.decode();
  } catch (cause) {
    throw notUtf8(file, at, cause);
  }
}

function notUtf8(file: string, byte: number, cause: unknown): FormatError {
  return new FormatError(
    `${file} is not UTF-8 text (byte ${byte}); convert it (iconv -t utf-8), or give another file`,
    { cause },
  );
}

/** Offset of the first invalid character. Goes byte by byte, because it is only for messages. */
function firstInvalid(chunk: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  // Up to three bytes of a character from the previous piece may come first; they count as valid.
  let begin = 0;
  while (begin < 3 && (chunk[begin]! & 0xc0) === 0x80) begin++;
  for (let i = begin; i < chunk.length; i++)
    try {
      if (decoder.decode(chunk.subarray(i, i + 1), { stream: true }) !== "") begin = i + 1;
    } catch {
      break;
    }
  return begin;
}

/** Detects UTF-16 without a byte order mark: Latin text has a zero in every second byte. */
function refuseWideCharacters(file: string, head: Uint8Array): void {
  const pairs = Math.min(head.length, FOREIGN_HEAD_BYTES) >> 1;
  const zeros = [0, 0];
  for (let i = 0; i < 2 * pairs; i++) if (head[i] === 0) zeros[i & 1]!++;
  const [even, odd] = zeros as [number, number];
  if (pairs >= 2 && Math.max(even, odd) > pairs / 2 && Math.min(even, odd) === 0)
    throw new FormatError(
      `${file} looks like UTF-16 text, expected UTF-8; convert it (iconv -f utf-16${odd > even ? "le" : "be"} -t utf-8)`,
    );
}
