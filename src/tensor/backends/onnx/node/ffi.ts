/**
 * koffi, configured for our calls. Its settings apply to the whole process and must be made before the first library is
 * opened, whichever module opens it. So every module imports koffi from here.
 */
import { createRequire } from "node:module";
import type Koffi from "koffi";
import { BackendError } from "../../../../errors.ts";

export const koffi: typeof Koffi = load();

/** If koffi has no binary for this platform, the first call throws. Importing it does not. */
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
