/**
 * Which of the two drivers runs: the native library's where one loads, else WebAssembly's, which is slower
 * and says so. Knows neither's workings.
 */
import type { Backend } from "../../../backend.ts";
import { wasmBackend } from "../wasm-backend.ts";
import { nativeBackend } from "./c-api-backend.ts";
import { loadWasmEngine } from "./wasm-engine.ts";

export interface OrtBackendOptions {
  /**
   * Threads of the native library's pool, one for the process; who asks first decides. Absent: any
   * number will do. WebAssembly has one, whatever is asked for.
   */
  readonly threads?: number | undefined;
}

let isTold = false;

/**
 * ONNX Runtime. Its `name` is "onnx" with the native library and "onnx (WebAssembly)" without; then the
 * process warns, once, and says why (`ENGRAM_NO_NATIVE_ENGINE`, on stderr unless warnings are handled).
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
