/** Where the build puts things, below the page's own address. */
import type { EngineFiles, OpenRequest } from "../../src/browser/index.ts";

const at = (path: string): string => new URL(path, document.baseURI).href;

export const modelAddress: string = at("models/shakespeare");

export const engine: EngineFiles = {
  module: at("engine/ort-wasm-simd-threaded.mjs"),
  wasm: at("engine/ort-wasm-simd-threaded.wasm.gz"),
};

/** The text that it was trained on, for whoever trains another. */
export const sampleText: string = at("texts/tinyshakespeare.txt");

/** The model that ships, on one thread, kept for the next visit. */
export function openRequest(): OpenRequest {
  return { address: modelAddress, engine, threads: 1, keepBytes: 2 ** 30 };
}
