/** Writes to open files at positions, and syncs directories. Knows nothing of what the bytes are. */
import { type FileHandle, open } from "node:fs/promises";

/** Size of the blocks that are checked for zeros. A hole smaller than a disk block saves nothing. */
const BLOCK_BYTES = 1 << 16;
const zeroBlock: Uint8Array = new Uint8Array(BLOCK_BYTES);

/** The same limit as for reads in `file-ranges.ts`, for the same reasons. */
const MAX_TRANSFER = 1 << 28;

export async function writeAt(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const length = Math.min(MAX_TRANSFER, bytes.length - done);
    done += (await file.write(bytes, done, length, position + done)).bytesWritten;
  }
}

/** As `writeAt`, but skips blocks of zeros. In a new file they become holes, which take no disk space. */
export async function writeSparse(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  let from = 0;
  for (let begin = 0; begin < bytes.length; begin += BLOCK_BYTES) {
    const block = bytes.subarray(begin, begin + BLOCK_BYTES);
    if (!isZero(block)) continue;
    await writeAt(file, bytes.subarray(from, begin), position + from);
    from = begin + block.length;
  }
  await writeAt(file, bytes.subarray(from), position + from);
}

/** Most blocks that are not zero show it in their first bytes. For the others, one memcmp decides. */
function isZero(block: Uint8Array): boolean {
  return block[0] === 0 && Buffer.compare(block, zeroBlock.subarray(0, block.length)) === 0;
}

/** Syncs a directory's entries to disk (names, not the files' contents). */
export async function syncDirectory(path: string): Promise<void> {
  // Windows cannot open directories, and its renames are durable without a sync.
  if (process.platform === "win32") return;
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
