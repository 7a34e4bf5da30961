/**
 * A file as bytes that are read by range. Parts that the operating system has in its page cache can be read without
 * waiting. Knows nothing of what the bytes are.
 */
import type { FileHandle } from "node:fs/promises";
import { StoreError } from "../../errors.ts";
import { type ByteRanges, EndedError } from "../byte-ranges.ts";
import { openPlain } from "./open-plain.ts";
import { MAX_READ_NOW, pageCacheReader } from "./page-cache.ts";

export interface FileOptions {
  /** The most system calls in flight (Node itself runs 4 at a time, unless UV_THREADPOOL_SIZE is larger). */
  readonly maxInFlight?: number | undefined;
  /**
   * Whether small reads first try the page cache. Default true. Loads koffi, so koffi's settings must have been made
   * before.
   */
  readonly readsNow?: boolean;
}

/** Linux transfers at most 2^31 - 4096 bytes a call. Smaller pieces share the thread pool more fairly. */
const MAX_TRANSFER = 1 << 28;

export async function openFileRanges(path: string, options: FileOptions = {}): Promise<ByteRanges> {
  const { file, size } = await openPlain(path).catch((cause: NodeJS.ErrnoException) => {
    const reason = cause.code === "ENOENT" ? "there is no such file" : cause.message;
    throw new StoreError(`cannot open the table ${path}: ${reason}`, { cause });
  });
  return rangesOf(file, { ...options, name: path, size });
}

/** Ranges of an open file. Takes ownership of it. */
export function rangesOf(
  file: FileHandle,
  options: FileOptions & { readonly name: string; readonly size: number },
): ByteRanges {
  const { name, size, maxInFlight = 16, readsNow = true } = options;
  let isClosed = false;
  const readNow = (begin: number, into: Uint8Array): boolean => {
    if (isClosed) throw new StoreError(`the store of ${name} was closed; open it again`);
    if (into.length > MAX_READ_NOW) return false;
    const here = pageCacheReader()?.(file.fd, begin, into.length);
    if (here !== undefined) into.set(here);
    return here !== undefined;
  };
  return {
    name,
    size,
    // The disk reads whole pages anyway.
    maxGapBytes: 4096,
    maxCallBytes: 256 * 1024,
    maxInFlight,
    ...(readsNow && { readNow }),
    async read(begin, into): Promise<void> {
      if (readsNow && readNow(begin, into)) return;
      for (let done = 0; done < into.length;) {
        const { bytesRead } = await file
          .read(into, done, Math.min(MAX_TRANSFER, into.length - done), begin + done)
          .catch((cause: Error) => {
            throw new StoreError(`${name}: byte ${begin + done}: ${cause.message}`, { cause });
          });
        if (bytesRead === 0) throw new EndedError(name, begin + done);
        done += bytesRead;
      }
    },
    async close(): Promise<void> {
      if (isClosed) return;
      isClosed = true;
      await file.close();
    },
  };
}
