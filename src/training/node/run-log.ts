/**
 * Reads a run's metrics.jsonl while it grows. Each call continues where the last one stopped, so neither side stores
 * the history. An incomplete line is left for the next call. A log that was truncated (by a resumed run) or replaced
 * is detected by a checksum of the bytes before the cursor, and read again from its start. Knows lines; not what they
 * mean.
 */
import type { FileHandle } from "node:fs/promises";
import { openPlain } from "../../bytes/node/index.ts";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import { crc32c } from "../../numerics/index.ts";
import { linesIn } from "../run-progress.ts";
import type { MetricsLine } from "./metrics-log.ts";

export interface RunLogPart {
  readonly lines: readonly MetricsLine[];
  /** Where the next call continues. */
  readonly cursor: string;
  /** Earlier lines are no longer valid: `lines` start from the beginning. */
  readonly isRestart: boolean;
  /** These are the last lines so far. */
  readonly isEnd: boolean;
}

export interface ReadRunLogOptions {
  /** From an earlier call; "" is the start of the log. */
  readonly cursor?: string;
  /** Bytes of lines for one call. */
  readonly maxBytes?: number;
}

/** Bytes before the cursor that are compared: one or two lines, whose times are different in every run. */
const CHECKED_BYTES = 512;

/** A log that does not exist (yet) has no lines. Throws `InvalidConfigError` for an invalid cursor. */
export async function readRunLog(
  file: string,
  { cursor = "", maxBytes = 2 ** 20 }: ReadRunLogOptions = {},
): Promise<RunLogPart> {
  const place = parseCursor(cursor);
  let handle: FileHandle;
  try {
    handle = (await openPlain(file)).file;
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
      lines: linesIn(bytes.subarray(0, length)),
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

/** "" if the file is shorter: no cursor has that. */
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
    // Truncated since its size was read.
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}
