/** Removes a file from the operating system's page cache, so that it is cold again. */
import { spawnSync } from "node:child_process";

/**
 * Evicts the file at `path` from the page cache, except pages that are not on disk yet. Returns false if this system
 * has no way to do it. Uses posix_fadvise(DONTNEED) on the whole file through GNU dd, without a foreign call.
 */
export function emptyPageCache(path: string): boolean {
  if (process.platform !== "linux") return false;
  const words = [`if=${path}`, "iflag=nocache", "count=0", "status=none"];
  return spawnSync("dd", words, { stdio: "ignore" }).status === 0;
}
