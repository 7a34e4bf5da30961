/** Making a file cold again: what has been read or written of it is forgotten by the operating system. */
import { spawnSync } from "node:child_process";

/**
 * Throws the file at `path` out of the page cache, but for pages that are not on the disk yet. False where this
 * system offers no way. posix_fadvise(DONTNEED) on the whole file, by GNU dd, which spares us a foreign call.
 */
export function emptyPageCache(path: string): boolean {
  if (process.platform !== "linux") return false;
  const words = [`if=${path}`, "iflag=nocache", "count=0", "status=none"];
  return spawnSync("dd", words, { stdio: "ignore" }).status === 0;
}
