/** Where the C library puts large arrays. Knows its settings; not who allocates. */
import { libc } from "./libc.ts";

/** `M_MMAP_THRESHOLD` of glibc's malloc.h. */
const MMAP_THRESHOLD = -3;

/**
 * Has arrays of a MiB and more lie in pages of their own, for the whole process. glibc begins so and then takes larger and larger ones
 * from its heap, where what is freed lies between what is not, and a cache of zeros is in part written at once. A hint: elsewhere
 * it does nothing.
 */
export function returnFreedMemory(): void {
  if (process.platform === "linux") libc()?.mallopt?.(MMAP_THRESHOLD, 2 ** 20);
}
