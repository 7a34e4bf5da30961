/**
 * The second driver, for platforms without a native library. It runs the same graphs through the interface of
 * onnxruntime-web, built for WebAssembly. Slower than `node/c-api-backend.ts`: one thread, which a run blocks, and
 * inputs and outputs are copied. It handles no addresses. It knows no platform: its caller says where the module comes
 * from.
 */
import { BackendError } from "../../../errors.ts";
import {
  type Backend,
  type Binding,
  checkBinding,
  type Executable,
  type Value,
  type Values,
} from "../../backend.ts";
import type { Graph, TensorData } from "../../graph.ts";
import type { DType } from "../../ops.ts";
import { lower, type OnnxModel } from "./lower.ts";

/** The parts of the module onnxruntime-web that are used. Our own type, so that its type package is not needed. */
export interface OrtWeb {
  readonly env: {
    logLevel?: string;
    readonly wasm: { numThreads?: number; wasmBinary?: Uint8Array; wasmPaths?: { wasm: string } };
  };
  readonly InferenceSession: {
    create(model: Uint8Array, options: object): Promise<OrtSession>;
  };
  readonly Tensor: new (type: string, data: TensorData, dims: readonly number[]) => object;
}

interface OrtSession {
  run(feeds: Record<string, object>): Promise<Record<string, { readonly data: unknown }>>;
  release(): Promise<void>;
}

export interface WasmBackendOptions {
  /**
   * Imports the module and tells it (`env.wasm`) where its WebAssembly is. Called at every compile, so that a failed
   * load can be retried.
   */
  readonly load: () => Promise<OrtWeb>;
}

/** ONNX Runtime in WebAssembly. Graphs and their data share 4 GiB. */
export function wasmBackend({ load }: WasmBackendOptions): Backend {
  return new WasmBackend(load);
}

class WasmBackend implements Backend {
  readonly name = "onnx (WebAssembly)";
  readonly #load: () => Promise<OrtWeb>;
  readonly #executables = new Set<WasmExecutable>();
  #disposed = false;

  constructor(load: () => Promise<OrtWeb>) {
    this.#load = load;
  }

  async compile(graph: Graph): Promise<Executable> {
    if (this.#disposed) throw new BackendError("compile on a disposed backend");
    const model = lower(graph, { caches: "separate" });
    const ort = await this.#load();
    ort.env.logLevel = "fatal";
    ort.env.wasm.numThreads = 1;
    let session: OrtSession;
    try {
      session = await ort.InferenceSession.create(model.bytes, {
        executionProviders: ["wasm"],
        graphOptimizationLevel: "disabled",
        enableMemPattern: false,
        logSeverityLevel: 4,
      });
    } catch (cause) {
      throw new BackendError(`ONNX Runtime could not load the graph: ${messageOf(cause)}`, {
        cause,
      });
    }
    const executable = new WasmExecutable({ graph, model, ort, session }, (e) =>
      this.#executables.delete(e),
    );
    this.#executables.add(executable);
    return executable;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all([...this.#executables].map((e) => e.dispose()));
  }
}

interface Compiled {
  readonly graph: Graph;
  readonly model: OnnxModel;
  readonly ort: OrtWeb;
  readonly session: OrtSession;
}

class WasmExecutable implements Executable {
  readonly #compiled: Compiled;
  readonly #running = new Set<Promise<void>>();
  readonly #onDispose: (e: WasmExecutable) => void;
  #disposed = false;

  constructor(compiled: Compiled, onDispose: (e: WasmExecutable) => void) {
    this.#compiled = compiled;
    this.#onDispose = onDispose;
  }

  bind(inputs: Values, outputs: Values): Binding {
    if (this.#disposed) throw new BackendError("bind on a disposed executable");
    checkBinding(this.#compiled.graph, inputs, outputs);
    return new WasmBinding(this, { inputs, outputs });
  }

  async run(inputs: Values, outputs: Values): Promise<void> {
    if (this.#disposed) throw new BackendError("run on a disposed executable");
    const { graph, model, ort, session } = this.#compiled;
    const feeds = Object.fromEntries(
      [...graph.inputs.keys()].map((key, i) => [model.inputNames[i]!, tensorOf(ort, inputs[key]!)]),
    );
    const running = session.run(feeds).then(
      (results) => {
        for (const [i, key] of [...graph.outputs.keys()].entries())
          outputs[key]!.data.set(results[model.outputNames[i]!]!.data as TensorData);
      },
      (cause: unknown) => {
        throw new BackendError(`ONNX Runtime could not run the graph: ${messageOf(cause)}`, {
          cause,
        });
      },
    );
    this.#running.add(running);
    try {
      await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#onDispose(this);
    await Promise.allSettled(this.#running);
    await this.#compiled.session.release();
  }
}

class WasmBinding implements Binding {
  readonly #executable: WasmExecutable;
  readonly #inputs: Values;
  readonly #outputs: Values;
  #busy = false;
  #disposed = false;

  constructor(
    executable: WasmExecutable,
    { inputs, outputs }: { readonly inputs: Values; readonly outputs: Values },
  ) {
    this.#executable = executable;
    this.#inputs = inputs;
    this.#outputs = outputs;
  }

  async run(): Promise<void> {
    if (this.#disposed) throw new BackendError("run on a disposed binding");
    if (this.#busy)
      throw new BackendError("this binding already runs: await its last run, or bind another");
    this.#busy = true;
    try {
      await this.#executable.run(this.#inputs, this.#outputs);
    } finally {
      this.#busy = false;
    }
  }

  dispose(): void {
    this.#disposed = true;
  }
}

const tensorTypes: Readonly<Record<DType, string>> = {
  f32: "float32",
  i32: "int32",
  u8: "uint8",
  bool: "bool",
};

function tensorOf(ort: OrtWeb, { dtype, shape, data }: Value): object {
  return new ort.Tensor(tensorTypes[dtype], data, shape);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
