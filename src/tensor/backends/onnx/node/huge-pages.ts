/**
 * Asks the kernel to back large memory with 2 MiB pages, so that reads of it miss the address translation cache
 * (TLB) far less often. Hints to Linux through libc's `madvise`; on other systems they do nothing. Knows no table and
 * no backend.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { koffi } from "./ffi.ts";
import { libc } from "./libc.ts";

const PAGE = 4096n;
const HUGE_PAGE = 2n ** 21n;
/** Of linux/mman.h, the same on every architecture Node runs on. */
const MADV_HUGEPAGE = 14;
/** Since Linux 6.1. */
const MADV_COLLAPSE = 25;

/** Addresses from `start` up to `end`. */
export interface MemoryRange {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * Must be called before the buffer's first use. Pages already touched stay small until the kernel merges them some time
 * later. Returns whether the kernel accepted the hint.
 */
export function adviseHugePages(buffer: ArrayBufferLike): boolean {
  const calls = process.platform === "linux" ? libc() : undefined;
  if (calls === undefined || buffer.byteLength === 0) return false;
  const start = koffi.address(new Uint8Array(buffer)) as bigint;
  const end = start + BigInt(buffer.byteLength);
  const from = ((start + PAGE - 1n) / PAGE) * PAGE;
  const to = (end / PAGE) * PAGE;
  return to > from && calls.madvise(from, to - from, MADV_HUGEPAGE) === 0;
}

/** Where this process has memory of no file; nothing where huge pages are switched off, or the system does not say. */
export function ownMemory(): MemoryRange[] {
  if (process.platform !== "linux") return [];
  const found: MemoryRange[] = [];
  try {
    if (readFileSync(SETTING, "utf8").includes("[never]")) return [];
    for (const [, start, end] of readFileSync("/proc/self/maps", "utf8").matchAll(OWN))
      found.push({ start: BigInt(`0x${start}`), end: BigInt(`0x${end}`) });
  } catch {
    return [];
  }
  return found;
}

const SETTING = "/sys/kernel/mm/transparent_hugepage/enabled";

/** Lines of /proc/self/maps: what is written and read, of no file. */
const OWN = /^([0-9a-f]+)-([0-9a-f]+) rw-p 00000000 00:00 0 *(?:\[heap\])?$/gm;

/** What `now` has and `before` had not. Both are in order of their addresses. */
export function addedMemory(
  before: readonly MemoryRange[],
  now: readonly MemoryRange[],
): MemoryRange[] {
  return now.flatMap(({ start, end }) => {
    const added: MemoryRange[] = [];
    let from = start;
    for (const old of before) {
      if (old.end <= from || old.start >= end) continue;
      if (old.start > from) added.push({ start: from, end: old.start });
      from = old.end;
    }
    return from < end ? [...added, { start: from, end }] : added;
  });
}

/**
 * Moves memory that is in use into huge pages, 2 MiB at a time on a thread of its own: for memory that a library has
 * allocated and written. What is not in memory as a whole stays as it is, so that none is added. Resolves to the number of
 * pages made.
 */
export async function mergePages(ranges: readonly MemoryRange[]): Promise<number> {
  const calls = libc();
  const large = ranges.filter(({ start, end }) => end - start >= HUGE_PAGE);
  if (calls === undefined || large.length === 0) return 0;
  let made = 0;
  let pages: number | undefined;
  try {
    pages = openSync("/proc/self/pagemap", "r");
    for (const { start, end } of large) {
      const first = ((start + HUGE_PAGE - 1n) / HUGE_PAGE) * HUGE_PAGE;
      for (let at = first; at + HUGE_PAGE <= end; at += HUGE_PAGE) {
        if (!isInMemory(pages, at)) continue;
        if ((await calls.madviseBeside(at, HUGE_PAGE, MADV_COLLAPSE)) !== 0) return made;
        made++;
      }
    }
  } catch {
    // A system that does not say what is in memory gets no advice.
  } finally {
    if (pages !== undefined) closeSync(pages);
  }
  return made;
}

/** Of each page of 4 KiB, /proc/self/pagemap has 8 bytes, the highest bit of which says whether it is there. */
function isInMemory(pages: number, at: bigint): boolean {
  const entries = new Uint8Array(8 * Number(HUGE_PAGE / PAGE));
  if (readSync(pages, entries, 0, entries.length, Number(at / PAGE) * 8) < entries.length)
    return false;
  for (let i = 7; i < entries.length; i += 8) if (entries[i]! < 128) return false;
  return true;
}
