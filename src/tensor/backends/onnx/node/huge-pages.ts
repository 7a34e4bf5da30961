/**
 * Asks the kernel to back a large buffer with 2 MiB pages, so that random reads miss the address translation cache
 * (TLB) far less often. A hint to Linux through libc's `madvise`; on other systems it does nothing. Knows no table and
 * no backend.
 */
import { koffi } from "./ffi.ts";
import { libc } from "./libc.ts";

const PAGE = 4096n;
/** `MADV_HUGEPAGE` of linux/mman.h, the same on every architecture Node runs on. */
const MADV_HUGEPAGE = 14;

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
