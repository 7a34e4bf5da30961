/**
 * Reads from the operating system's page cache only: Linux's `preadv2` with RWF_NOWAIT, which fails if the disk is
 * needed. A row takes one or two microseconds this way; through the thread pool it takes ten to twenty
 * (bench/tiers.ts). On other systems, and on file systems without support for it, there is no such reader, and every
 * read goes through the pool. Knows no rows.
 */
import { createRequire } from "node:module";
import type Koffi from "koffi";

/**
 * The `length` bytes from `position` on, if all of them are in memory. A view that the next call overwrites.
 * `length` is at most `MAX_READ_NOW`.
 */
export type ReadNow = (fd: number, position: number, length: number) => Uint8Array | undefined;

export const MAX_READ_NOW: number = 64 * 1024;

/** linux/fs.h */
const RWF_NOWAIT = 8;

type Preadv2 = (
  fd: number,
  vectors: bigint,
  count: number,
  position: number,
  flags: number,
) => number;

let reader: ReadNow | undefined;
let isLookedFor = false;

/**
 * The reader of this process; undefined if the platform has none. It is opened at the first read and not before,
 * because koffi's settings must come before any library is opened. The engine's module makes them when it is loaded.
 */
export function pageCacheReader(): ReadNow | undefined {
  if (!isLookedFor) {
    isLookedFor = true;
    reader = process.platform === "linux" ? makeReader() : undefined;
  }
  return reader;
}

function makeReader(): ReadNow | undefined {
  // The reader keeps it reachable: a collected handle would unload the library while its functions are in use.
  let koffi: typeof Koffi;
  let handle: ReturnType<typeof Koffi.load>;
  let preadv2: Preadv2;
  try {
    // Required, not imported: if koffi has no binary for this platform, rows are read through the pool.
    koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
    handle = koffi.load(null);
    preadv2 = handle.func("preadv2", "long", [
      "int",
      "uintptr_t",
      "int",
      "int64_t",
      "int",
    ]) as Preadv2;
  } catch {
    return undefined;
  }
  const bytes = new Uint8Array(new ArrayBuffer(MAX_READ_NOW));
  // One `struct iovec`: address and length.
  const vector = new BigUint64Array(new ArrayBuffer(16));
  vector[0] = koffi.address(bytes) as bigint;
  const vectorAddress = koffi.address(vector) as bigint;
  const keeps = { handle, bytes, vector };
  return (fd, position, length) => {
    keeps.vector[1] = BigInt(length);
    // Fewer bytes: the rest is on disk, or the file ends there. An error: nothing is in memory, or it is not supported.
    return preadv2(fd, vectorAddress, 1, position, RWF_NOWAIT) === length
      ? bytes.subarray(0, length)
      : undefined;
  };
}
