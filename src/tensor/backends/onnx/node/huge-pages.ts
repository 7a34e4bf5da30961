/**
 * Asks the kernel to back a large buffer with 2 MiB pages, so that random reads miss the address translation cache
 * (TLB) far less often. A hint to Linux through libc's `madvise`; on other systems it does nothing. Knows no table and
 * no backend.
 */
import { koffi } from "./ffi.ts";

const PAGE = 4096n;
/** `MADV_HUGEPAGE` of linux/mman.h, the same on every architecture Node runs on. */
const MADV_HUGEPAGE = 14;

type Madvise = (address: bigint, length: bigint, advice: number) => number;

/** Must stay reachable: if the library handle is collected, the library is unloaded while its functions are in use. */
let libc: { readonly handle: unknown; readonly madvise: Madvise } | undefined;

/**
 * Must be called before the buffer's first use. Pages already touched stay small until the kernel merges them some time
 * later. Returns whether the kernel accepted the hint.
 */
export function adviseHugePages(buffer: ArrayBufferLike): boolean {
  if (process.platform !== "linux" || buffer.byteLength === 0) return false;
  try {
    libc ??= openLibc();
  } catch {
    return false;
  }
  const start = koffi.address(new Uint8Array(buffer)) as bigint;
  const end = start + BigInt(buffer.byteLength);
  const from = ((start + PAGE - 1n) / PAGE) * PAGE;
  const to = (end / PAGE) * PAGE;
  return to > from && libc.madvise(from, to - from, MADV_HUGEPAGE) === 0;
}

function openLibc(): NonNullable<typeof libc> {
  const handle = koffi.load(null);
  const madvise = handle.func("madvise", "int", ["uintptr_t", "size_t", "int"]) as Madvise;
  return { handle, madvise };
}
