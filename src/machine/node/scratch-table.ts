/**
 * A table of random bytes on a disk, for measuring that disk. Its file has no name: it is unlinked as soon as it
 * is open, so the system takes it back however the program ends, even when it is killed. Knows no timing.
 */
import { constants, open, statfs, unlink } from "node:fs/promises";
import { join } from "node:path";
import { InvalidConfigError } from "../../errors.ts";
import { type RowStore, rowsInRanges } from "../../memory/index.ts";
import { rangesOf } from "../../bytes/node/index.ts";
import { emptyPageCache } from "./page-cache.ts";

export interface ScratchTableOptions {
  readonly rowBytes: number;
  /** As large as this at most, and an eighth of what is free. */
  readonly maxBytes: number;
  /** Writing stops then, with what is there. */
  readonly milliseconds: number;
  readonly signal?: AbortSignal;
}

export interface ScratchTable {
  readonly store: RowStore;
  /** Whether the directory lies in memory (tmpfs), where nothing is ever cold. */
  readonly isInMemory: boolean;
  readonly freeBytes: number;
  /** Throws the file out of the page cache. False where this system offers no way. */
  evict(): boolean;
  close(): Promise<void>;
}

const CHUNK_BYTES = 4 * 2 ** 20;
/** `TMPFS_MAGIC` and `RAMFS_MAGIC` of linux/magic.h. */
const MEMORY_FILE_SYSTEMS: readonly number[] = [0x01021994, 0x858458f6];

export async function createScratchTable(
  directory: string,
  { rowBytes, maxBytes, milliseconds, signal }: ScratchTableOptions,
): Promise<ScratchTable> {
  const { bsize, bavail, type } = await statfs(directory);
  const freeBytes = bsize * bavail;
  const path = join(directory, `.engram-doctor-${process.pid}-${Date.now()}`);
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
  try {
    await unlink(path);
    const most = Math.min(maxBytes, Math.floor(freeBytes / 8));
    if (most < 64 * rowBytes)
      throw new InvalidConfigError(
        `${directory} has ${freeBytes} bytes free; measuring it takes ${8 * 64 * rowBytes}; free some, or give another --dir`,
      );
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (let at = 0; at < chunk.length; at += 65_536)
      crypto.getRandomValues(chunk.subarray(at, at + 65_536));
    let bytes = 0;
    const end = performance.now() + milliseconds;
    while (bytes < most && (bytes === 0 || performance.now() < end)) {
      signal?.throwIfAborted();
      // No two chunks alike: some file systems store equal blocks once.
      crypto.getRandomValues(chunk.subarray(0, 4096));
      const { bytesWritten } = await file.write(
        chunk,
        0,
        Math.min(chunk.length, most - bytes),
        bytes,
      );
      bytes += bytesWritten;
    }
    // Pages that are not on the disk yet cannot be thrown out of memory.
    await file.datasync();
    const name = `a scratch file in ${directory}`;
    const store = rowsInRanges(rangesOf(file, { name, size: bytes, maxInFlight: 64 }), {
      rowBytes,
      numRows: Math.floor(bytes / rowBytes),
      offset: 0,
    });
    return {
      store,
      isInMemory: MEMORY_FILE_SYSTEMS.includes(type),
      freeBytes,
      evict: () => emptyPageCache(`/proc/${process.pid}/fd/${file.fd}`),
      close: () => store.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}
