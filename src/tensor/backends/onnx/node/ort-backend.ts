/**
 * Chooses between the two drivers: the native library's, if one loads, otherwise WebAssembly's, which is slower and
 * warns about it. Does not know how either works.
 */
import type { Backend } from "../../../backend.ts";
import { wasmBackend } from "../web/wasm-backend.ts";
import { nativeBackend } from "./c-api-backend.ts";
import { loadWasmEngine } from "./wasm-engine.ts";

/** What the engine may use of this machine. */
export interface OrtBackendOptions {
  /**
   * Threads of the native library's pool. The process has one pool, so its first user fixes the number. Absent: any
   * number is fine. WebAssembly always has one thread.
   */
  readonly threads?: number | undefined;
}

let isTold = false;

/**
 * ONNX Runtime. Its `name` is "onnx" with the native library and "onnx (WebAssembly)" without it. In the second case
 * the process emits one warning with the reason (`ENGRAM_NO_NATIVE_ENGINE`, on stderr unless warnings are handled).
 */
export function ortBackend({ threads }: OrtBackendOptions = {}): Backend {
  const native = nativeBackend({ threads });
  if (typeof native !== "string") return native;
  if (!isTold)
    process.emitWarning(
      `engram computes in WebAssembly, on one thread and slower, as there is no native ONNX Runtime (${native})`,
      { code: "ENGRAM_NO_NATIVE_ENGINE" },
    );
  isTold = true;
  return wasmBackend({ load: loadWasmEngine });
}
