/** Graphs as ONNX models, and the driver that runs them wherever WebAssembly does. */
export {
  type InPlacePair,
  type InputLimit,
  lower,
  type LowerOptions,
  type OnnxModel,
} from "./lower.ts";
export type { OrtModule } from "./web/heap.ts";
export { type MakeOrtModule, wasmBackend, type WasmBackendOptions } from "./web/wasm-backend.ts";
