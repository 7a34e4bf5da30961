/** Calls into the system's C library. Knows names and types; not what they are called for. */
import { promisify } from "node:util";
import { koffi } from "./ffi.ts";

export interface Libc {
  readonly madvise: (address: bigint, length: bigint, advice: number) => number;
  /** The same on a thread of libuv's pool. */
  readonly madviseBeside: (address: bigint, length: bigint, advice: number) => Promise<number>;
  readonly mmap: (
    address: null,
    length: number,
    protection: number,
    flags: number,
    file: number,
    offset: number,
  ) => bigint | null;
  readonly munmap: (address: bigint, length: number) => number;
  /** The process's own environment. In a worker thread, `process.env` is a copy of it. */
  readonly setenv: (name: string, value: string, overwrite: number) => number;
  /** Absent where the library's allocator has no such settings (musl, macOS). */
  readonly mallopt?: (setting: number, value: number) => number;
}

/** The handle must stay reachable: if it is collected, the library is unloaded while its functions are in use. */
let found: { readonly handle: unknown; readonly calls: Libc } | undefined;

/** Undefined where there is none that these calls fit. */
export function libc(): Libc | undefined {
  if (process.platform !== "linux" && process.platform !== "darwin") return undefined;
  try {
    found ??= open();
  } catch {
    return undefined;
  }
  return found.calls;
}

function open(): NonNullable<typeof found> {
  const handle = koffi.load(null);
  const madvise = handle.func("madvise", "int", ["uintptr_t", "size_t", "int"]);
  const mmap = ["void *", "size_t", "int", "int", "int", "int64_t"];
  return {
    handle,
    calls: {
      madvise: madvise as Libc["madvise"],
      madviseBeside: promisify(madvise.async) as Libc["madviseBeside"],
      mmap: handle.func("mmap", "void *", mmap) as Libc["mmap"],
      munmap: handle.func("munmap", "int", ["void *", "size_t"]) as Libc["munmap"],
      setenv: handle.func("setenv", "int", ["str", "str", "int"]) as Libc["setenv"],
      ...malloptOf(handle),
    },
  };
}

function malloptOf(handle: ReturnType<typeof koffi.load>): Pick<Libc, "mallopt"> {
  try {
    return { mallopt: handle.func("mallopt", "int", ["int", "int"]) as Required<Libc>["mallopt"] };
  } catch {
    return {};
  }
}
