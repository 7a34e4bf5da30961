/** The engine for pages: ONNX Runtime's module and its WebAssembly, fetched from addresses, packed by gzip or not. */
import { BackendError, StoreError } from "../errors.ts";
import { isWasm, unpacked, wasmType } from "./progress.ts";
import type { MakeOrtModule, OrtModule } from "../tensor/backends/onnx/index.ts";

/** Where the files of onnxruntime-web 1.30 are. */
export interface EngineFiles extends EngineBuild {
  /**
   * `ort-wasm-simd-threaded.jspi.mjs` and its `.wasm`, taken in place of the others where the browser has a graphics
   * processor for pages, and WebAssembly that waits for it (JSPI). Worth its 4 MB for larger models alone: a decode step
   * of some millions of weights is over before a graphics processor has answered. Default: never.
   */
  readonly webgpu?: EngineBuild;
}

/** The two files of a build. */
export interface EngineBuild {
  /** Such as `ort-wasm-simd-threaded.mjs`. */
  readonly module: string;
  /**
   * Such as `ort-wasm-simd-threaded.wasm`, or that file packed by gzip. Served unpacked as `application/wasm`, browsers may keep
   * what they compiled of it.
   */
  readonly wasm: string;
}

/** Of the platform's WebAssembly, what is used. Modules and instances are its own. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    compileStreaming(response: Response): Promise<object>;
    instantiate(module: object, imports: object): Promise<object>;
    readonly CompileError: new () => Error;
    readonly Suspending?: unknown;
  };
};

async function buildFor({ webgpu, ...plain }: EngineFiles): Promise<EngineBuild> {
  if (webgpu === undefined || WebAssembly.Suspending === undefined) return plain;
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  return (await gpu?.requestAdapter()) ? webgpu : plain;
}

export async function fetchEngine(
  files: EngineFiles,
  { threads, fetch }: { readonly threads: number; readonly fetch: typeof globalThis.fetch },
): Promise<OrtModule> {
  const { module, wasm } = await buildFor(files);
  const [{ default: make }, compiled] = await Promise.all([
    import(/* @vite-ignore */ module) as Promise<{ default: MakeOrtModule }>,
    fetchCompiled(wasm, fetch),
  ]);
  try {
    return await new Promise((resolve, reject) => {
      make({
        numThreads: threads,
        instantiateWasm: (imports, done) =>
          void WebAssembly.instantiate(compiled, imports)
            .then((instance) => done(instance, compiled))
            .catch(reject),
      }).then(resolve, reject);
    });
  } catch (cause) {
    throw doesNotStart(cause);
  }
}

function doesNotStart(cause: unknown): BackendError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BackendError(
    `the engine does not start: ${reason}; it needs WebAssembly with SIMD and threads`,
    { cause },
  );
}

/**
 * Compiled as it comes, and unpacked where it says that it is packed or does not say what it is. Of an answer that is
 * given on as it came, browsers keep what they have compiled, for the next visit.
 */
async function fetchCompiled(address: string, fetch: typeof globalThis.fetch): Promise<object> {
  try {
    const response = await fetch(address);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trimEnd());
    return await WebAssembly.compileStreaming(
      isWasm(response)
        ? response
        : new Response((await unpacked(response)).body, { headers: wasmType }),
    );
  } catch (cause) {
    if (cause instanceof WebAssembly.CompileError) throw doesNotStart(cause);
    throw new StoreError(`${address}: the engine was not found: ${(cause as Error).message}`, {
      cause,
    });
  }
}
