/**
 * Reads of what the system already holds of a file in memory, and of nothing else: Linux's `preadv2` with
 * RWF_NOWAIT, which fails where a disk would have to be asked. A row costs a microsecond or two that way, and a
 * hand-over to the thread pool ten to twenty (bench/tiers.ts). Elsewhere, and on file systems that cannot tell, there
 * is no such reader, and every read goes through the pool. Knows no rows.
 */
import { createRequire } from "node:module";
import type Koffi from "koffi";

/**
 * The first `length` bytes from `position` on, if all of them are in memory. A view that the next call overwrites.
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
 * The process's reader; undefined where the platform has none. Opened at the first read, and not before: koffi's
 * settings, which the engine's module makes when it is loaded, must come before any library.
 */
export function pageCacheReader(): ReadNow | undefined {
  if (!isLookedFor) {
    isLookedFor = true;
    reader = process.platform === "linux" ? makeReader() : undefined;
  }
  return reader;
}

function makeReader(): ReadNow | undefined {
  // Held by the reader: a collected handle would unload the library under its functions.
  let koffi: typeof Koffi;
  let handle: ReturnType<typeof Koffi.load>;
  let preadv2: Preadv2;
  try {
    // Not imported: where it has no binary, rows come through the pool.
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
    // Fewer bytes: the rest is on the disk, or the file ends there. An error: so does everything, or it cannot tell.
    return preadv2(fd, vectorAddress, 1, position, RWF_NOWAIT) === length
      ? bytes.subarray(0, length)
      : undefined;
  };
}
