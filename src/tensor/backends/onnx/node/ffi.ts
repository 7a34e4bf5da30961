/**
 * koffi, set up for what is called through it here. Settings hold for the process and must come before
 * the first library is opened, whichever module that happens in: so every module takes it from here.
 */
import { createRequire } from "node:module";
import type Koffi from "koffi";
import { BackendError } from "../../../../errors.ts";

export const koffi: typeof Koffi = load();

/** Where koffi has no binary, whoever calls a function of it is told; nobody is who only imports this. */
function load(): typeof Koffi {
  try {
    const found = createRequire(import.meta.url)("koffi") as typeof Koffi;
    // ONNX Runtime's kernels need more stack than asynchronous calls have by default (SGEMM alone packs
    // 64 KiB panels there).
    found.config({ async_stack_size: 8 * 2 ** 20 });
    return found;
  } catch (cause) {
    return new Proxy({} as typeof Koffi, {
      get() {
        throw new BackendError(`koffi, which calls native libraries, cannot be loaded: ${cause}`, {
          cause,
        });
      },
    });
  }
}
