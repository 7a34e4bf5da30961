/** The engine for pages: ONNX Runtime's module and its WebAssembly, fetched from addresses, packed by gzip or not. */
import { BackendError, StoreError } from "../errors.ts";
import type { MakeOrtModule, OrtModule } from "../tensor/backends/onnx/index.ts";

/** Where the two files of onnxruntime-web 1.30 are. */
export interface EngineFiles {
  /** `ort-wasm-simd-threaded.mjs` */
  readonly module: string;
  /** `ort-wasm-simd-threaded.wasm`, or that file packed by gzip. */
  readonly wasm: string;
}

export async function fetchEngine(
  { module, wasm }: EngineFiles,
  { threads, fetch }: { readonly threads: number; readonly fetch: typeof globalThis.fetch },
): Promise<OrtModule> {
  const [{ default: make }, wasmBinary] = await Promise.all([
    import(/* @vite-ignore */ module) as Promise<{ default: MakeOrtModule }>,
    fetchUnpacked(wasm, fetch),
  ]);
  try {
    return await make({ numThreads: threads, wasmBinary });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BackendError(
      `the engine does not start: ${reason}; it needs WebAssembly with SIMD and threads`,
      { cause },
    );
  }
}

async function fetchUnpacked(address: string, fetch: typeof globalThis.fetch): Promise<Uint8Array> {
  let response: Response;
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    response = await fetch(address);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trimEnd());
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    throw new StoreError(`${address}: the engine was not found: ${(cause as Error).message}`, {
      cause,
    });
  }
  // Some servers unpack such a file themselves.
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const unpacked = new Response(bytes).body!.pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unpacked).arrayBuffer());
}
