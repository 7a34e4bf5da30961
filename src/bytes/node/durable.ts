/**
 * Making files and directories outlive a crash: write, fsync, rename, fsync the directory. Knows
 * nothing of formats. A rename is atomic but is itself only durable after its directory's fsync.
 */
import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "./file-writes.ts";

/**
 * Creates `path` with what `write` puts into the handle. Until that is on disk whole the file has
 * another name (`path.tmp`), so `path` is never half of anything. On failure the partial file goes.
 */
export async function writeDurably(
  path: string,
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const partial = `${path}.tmp`;
  // What lies there was left by a writer that was killed, or is a link that somebody laid out: neither is written to.
  await rm(partial, { force: true });
  const file = await open(partial, "wx");
  try {
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Forces every file and directory below `path`, and `path` itself, to disk. */
export async function syncTree(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) await syncTree(child);
    else if (entry.isFile()) await syncFile(child);
  }
  await syncDirectory(path);
}

async function syncFile(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
