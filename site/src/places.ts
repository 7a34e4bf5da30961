/** Where the build puts things, below the page's own address. */
import type { EngineFiles, OpenRequest } from "../../src/browser/index.ts";

const at = (path: string): string => new URL(path, document.baseURI).href;

/** Opens first. */
const firstModel = "shakespeare";

/** Of a link to another model: a name as the build gives it. */
const asked = new URLSearchParams(location.search).get("model") ?? "";

export const modelName: string = /^[\w-]+(?:\/[\w-]+)?$/.test(asked) ? asked : firstModel;

const modelAddress = at(`models/${modelName}`);

/** The names and sizes of all models of this build. */
export const modelsAddress: string = at("models/models.json");

/** Where the page opens with that model. */
export function pageOf(model: string): string {
  return model === firstModel ? "." : `?${new URLSearchParams({ model })}`;
}

export const engine: EngineFiles = {
  module: at("engine/ort-wasm-simd-threaded.mjs"),
  wasm: at("engine/ort-wasm-simd-threaded.wasm.gz"),
};

/** The text that it was trained on, for whoever trains another. */
export const sampleText: string = at("texts/tinyshakespeare.txt");

/** The model that ships, on one thread, kept for the next visit. */
export function openRequest(): OpenRequest & { readonly isPacked: true } {
  return { address: modelAddress, engine, threads: 1, keepBytes: 2 ** 30, isPacked: true };
}
