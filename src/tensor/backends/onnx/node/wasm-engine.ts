/** ONNX Runtime's WebAssembly build on Node: loads its module and bytes from files. */
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";
import type { MakeOrtModule } from "../web/wasm-backend.ts";
import type { OrtModule } from "../web/heap.ts";
import { wasmFiles } from "./engine-files.ts";

const engines = new Map<number, Promise<OrtModule>>();

/** One in a process for each number of threads: it takes a while to compile. */
export async function loadWasmEngine(threads: number): Promise<OrtModule> {
  let engine = engines.get(threads);
  if (engine === undefined) {
    engine = load(threads);
    engines.set(threads, engine);
    engine.catch(() => engines.delete(threads));
  }
  return engine;
}

async function load(numThreads: number): Promise<OrtModule> {
  const { module, wasm } = wasmFiles();
  const { default: make } = (await import(pathToFileURL(module).href)) as {
    default: MakeOrtModule;
  };
  return make({ numThreads, wasmBinary: await readWasm(wasm) });
}

/** The bytes of a WebAssembly file, unpacked. */
export async function readWasm(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path);
  return path.endsWith(".gz") ? gunzipSync(bytes) : bytes;
}
