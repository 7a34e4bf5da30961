import { backendConformance } from "../../../../../test/conformance/backend.ts";
import { wasmBackend } from "../web/wasm-backend.ts";
import { loadWasmEngine } from "./wasm-engine.ts";

backendConformance("onnx through WebAssembly", async () => wasmBackend({ load: loadWasmEngine }));
