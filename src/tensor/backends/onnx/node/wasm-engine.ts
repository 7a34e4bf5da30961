/** ONNX Runtime's WebAssembly build on Node: loads its module and bytes from files. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import type { OrtWeb } from "../wasm-backend.ts";
import { wasmFiles } from "./engine-files.ts";

export async function loadWasmEngine(): Promise<OrtWeb> {
  const { module, wasm } = wasmFiles();
  const ort = (await import(pathToFileURL(module).href)) as OrtWeb;
  ort.env.wasm.wasmBinary ??= await readFile(wasm);
  return ort;
}
