/**
 * The second driver, for platforms without a native library: the same graphs on ONNX Runtime's build for WebAssembly.
 * Weights and caches that were moved into its memory (`Backend.place`) are used where they are; other values are copied
 * for each run. A run blocks its thread, unless the build computes on a graphics processor (`webgpu.ts`): then its thread
 * waits. It knows no platform: its caller says where the module comes from.
 */
import type { Backend } from "../../../backend.ts";
import { ortDriver } from "../ort-driver.ts";
import type { OrtModule } from "./heap.ts";

/** What `ort-wasm-simd-threaded.mjs` and its like export by default. */
export type MakeOrtModule = (
  settings: { readonly numThreads: number } & (
    | {
        /** The bytes of `ort-wasm-simd-threaded.wasm`. */
        readonly wasmBinary: Uint8Array;
      }
    | {
        /** Gives `done` an instance of that file, and what it was compiled to. Of failures the module hears nothing. */
        readonly instantiateWasm: (
          imports: object,
          done: (instance: object, module: object) => void,
        ) => void;
      }
  ),
) => Promise<OrtModule>;

/** Where the engine comes from, and how many threads it gets. */
export interface WasmBackendOptions {
  /** Makes an engine for so many threads. Called at the first compile, and again if that failed. */
  readonly load: (threads: number) => Promise<OrtModule>;
  /** More than one only where pages are isolated (`crossOriginIsolated`), or on Node. Default 1. */
  readonly threads?: number;
}

/** ONNX Runtime in WebAssembly. Graphs and their data share 4 GiB. */
export function wasmBackend({ load, threads = 1 }: WasmBackendOptions): Backend {
  return ortDriver("onnx (WebAssembly)", async () => {
    // What drives the engine is loaded beside it.
    const [{ wasmRuntime }, engine] = await Promise.all([import("./ort-wasm.ts"), load(threads)]);
    return wasmRuntime(engine, threads);
  });
}
