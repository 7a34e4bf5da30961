/** Graphs as ONNX models, and the driver that runs them wherever WebAssembly does. */
export {
  type InPlacePair,
  type InputLimit,
  lower,
  type LowerOptions,
  type OnnxModel,
} from "./lower.ts";
export { type OrtWeb, wasmBackend, type WasmBackendOptions } from "./wasm-backend.ts";
