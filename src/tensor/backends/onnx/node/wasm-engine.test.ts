import { backendConformance } from "../../../../../test/conformance/backend.ts";
import { wasmBackend } from "../web/wasm-backend.ts";
import { loadWasmEngine } from "./wasm-engine.ts";

// The native library's test draws more graphs: driver and lowering are the same.
backendConformance("onnx through WebAssembly", async () => wasmBackend({ load: loadWasmEngine }), {
  randomGraphs: 40,
});
