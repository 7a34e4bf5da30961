/**
 * A file as memory (`mmap`): its pages are read when they are touched, are shared with the page cache, and can be given
 * back without being lost. Knows addresses and pages; not what the file holds.
 */
import { koffi } from "./ffi.ts";
import { libc } from "./libc.ts";

/** The same numbers on Linux and macOS. */
const PROT_READ = 1;
const MAP_PRIVATE = 2;
const MADV_DONTNEED = 4;
/** Of the largest pages that these systems have by default (macOS and some ARM kernels). */
const PAGE = 65_536n;

const mapped = new WeakSet<ArrayBufferLike>();
const unmap = new FinalizationRegistry<() => void>((run) => run());

/**
 * The first `bytes` bytes of an open file, which may be closed then. To be read only: writing ends the process, and so
 * does reading what was cut off the file meanwhile, so map what nobody else writes to. Undefined where files cannot be
 * mapped.
 */
export function mapFile(file: number, bytes: number): ArrayBuffer | undefined {
  const calls = libc();
  if (calls === undefined || bytes === 0) return undefined;
  const at = calls.mmap(null, bytes, PROT_READ, MAP_PRIVATE, file, 0);
  if (at === null || BigInt.asIntN(64, at) === -1n) return undefined;
  const release = (): void => void calls.munmap(at, bytes);
  try {
    const buffer = koffi.view(at, bytes);
    mapped.add(buffer);
    // Views keep the buffer, and whatever engines read keeps the views.
    unmap.register(buffer, release);
    return buffer;
  } catch {
    release();
    return undefined;
  }
}

/** Gives back the memory of what lies in a mapped file. Who reads it again finds it there again. */
export function dropPages({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
  if (!mapped.has(buffer)) return;
  const start = (koffi.address(new Uint8Array(buffer)) as bigint) + BigInt(byteOffset);
  const from = ((start + PAGE - 1n) / PAGE) * PAGE;
  const to = ((start + BigInt(byteLength)) / PAGE) * PAGE;
  if (to > from) libc()!.madvise(from, to - from, MADV_DONTNEED);
}
