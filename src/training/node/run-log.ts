/**
 * A run's metrics.jsonl, read while it grows: each call goes on where the last one stopped, so that neither side
 * keeps the history for the other. A line that is not whole yet is left for the next call. A log that was cut back
 * (a resumed run) or replaced is noticed by what stands before the cursor and read again from its beginning.
 * Knows lines; not what they mean.
 */
import { type FileHandle, open } from "node:fs/promises";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { crc32c } from "../../numerics/index.ts";
import type { MetricsLine } from "./metrics-log.ts";

export interface RunLogPart {
  readonly lines: readonly MetricsLine[];
  /** Where the next call goes on. */
  readonly cursor: string;
  /** What was read before is no longer what the log says: forget it, `lines` begin anew. */
  readonly isRestart: boolean;
  /** These are the last lines there are by now. */
  readonly isEnd: boolean;
}

export interface ReadRunLogOptions {
  /** From an earlier call; "" begins at the beginning. */
  readonly cursor?: string;
  /** Bytes of lines for one call. */
  readonly maxBytes?: number;
}

/** Bytes before the cursor that are compared: a line or two, with their times, which no other run repeats. */
const CHECKED_BYTES = 512;

/** A log that does not exist (yet) has no lines. Throws `InvalidConfigError` for what is no cursor. */
export async function readRunLog(
  file: string,
  { cursor = "", maxBytes = 2 ** 20 }: ReadRunLogOptions = {},
): Promise<RunLogPart> {
  const place = parseCursor(cursor);
  let handle: FileHandle;
  try {
    handle = await open(file, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return { lines: [], cursor: "", isRestart: place.offset > 0, isEnd: true };
  }
  try {
    const isSame = place.offset === 0 || (await checkOf(handle, place.offset)) === place.check;
    const offset = isSame ? place.offset : 0;
    const bytes = await readAt(handle, { offset, length: maxBytes });
    const length = bytes.lastIndexOf(newline) + 1;
    if (length === 0 && bytes.length === maxBytes)
      throw new FormatError(`${file}: byte ${offset} begins a line of more than ${maxBytes} bytes`);
    const end = offset + length;
    return {
      lines: parseLines(bytes.subarray(0, length)),
      cursor: end === 0 ? "" : `${end}.${await checkOf(handle, end)}`,
      isRestart: !isSame,
      isEnd: bytes.length < maxBytes,
    };
  } finally {
    await handle.close();
  }
}

const newline = 10;

interface LogPlace {
  readonly offset: number;
  /** Of the bytes before `offset`. */
  readonly check: string;
}

function parseCursor(cursor: string): LogPlace {
  if (cursor === "") return { offset: 0, check: "" };
  const [, offset, check] = /^([1-9]\d{0,14})\.([0-9a-f]{1,8})$/.exec(cursor) ?? [];
  if (offset === undefined || check === undefined)
    throw new InvalidConfigError(
      `expected the cursor of an earlier answer, or none, got "${cursor.slice(0, 40)}"`,
    );
  return { offset: Number(offset), check };
}

/** "" if the file is shorter: no cursor says that. */
async function checkOf(handle: FileHandle, offset: number): Promise<string> {
  const length = Math.min(offset, CHECKED_BYTES);
  const bytes = await readAt(handle, { offset: offset - length, length });
  return bytes.length < length ? "" : crc32c(bytes).toString(16);
}

async function readAt(
  handle: FileHandle,
  { offset, length }: { offset: number; length: number },
): Promise<Uint8Array> {
  const { size } = await handle.stat();
  const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, offset + filled);
    // Cut back since it was measured.
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/** What is no JSON object with a step is no line of ours, and is passed over. */
function parseLines(bytes: Uint8Array): MetricsLine[] {
  return new TextDecoder()
    .decode(bytes)
    .split("\n")
    .flatMap((text) => {
      try {
        const line = JSON.parse(text) as MetricsLine | null;
        return Number.isInteger(line?.step) ? [line!] : [];
      } catch {
        return [];
      }
    });
}
