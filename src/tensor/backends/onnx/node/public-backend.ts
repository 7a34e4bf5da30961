/**
 * The portable second driver: the same graphs through the documented interface of onnxruntime-node.
 * Slower than `c-api-backend.ts` (a run blocks the thread, outputs are copied, every session has its
 * own threads) but free of addresses: for platforms or releases the C driver refuses.
 */
import { availableParallelism } from "node:os";
import { env, InferenceSession, Tensor } from "onnxruntime-node";
import { BackendError } from "../../../../errors.ts";
import {
  type Backend,
  type Binding,
  checkBinding,
  type Executable,
  type Value,
  type Values,
} from "../../../backend.ts";
import type { Graph, TensorData } from "../../../graph.ts";
import { lower, type OnnxModel } from "../lower.ts";

export interface PublicOrtBackendOptions {
  /** Threads of each compiled graph. */
  readonly threads?: number;
}

/** ONNX Runtime through its public Node interface. */
export function publicOrtBackend({
  threads = availableParallelism(),
}: PublicOrtBackendOptions = {}): Backend {
  env.logLevel = "fatal";
  return new PublicBackend(threads);
}

class PublicBackend implements Backend {
  readonly name = "onnx (public interface)";
  readonly #threads: number;
  readonly #executables = new Set<PublicExecutable>();
  #disposed = false;

  constructor(threads: number) {
    this.#threads = threads;
  }

  async compile(graph: Graph): Promise<Executable> {
    if (this.#disposed) throw new BackendError("compile on a disposed backend");
    const model = lower(graph, { caches: "separate" });
    let session: InferenceSession;
    try {
      session = await InferenceSession.create(model.bytes, {
        executionProviders: ["cpu"],
        graphOptimizationLevel: "disabled",
        intraOpNumThreads: this.#threads,
        enableMemPattern: false,
        logSeverityLevel: 4,
      });
    } catch (cause) {
      throw new BackendError(`ONNX Runtime could not load the graph: ${messageOf(cause)}`, {
        cause,
      });
    }
    const executable = new PublicExecutable({ graph, model, session }, (e) =>
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
  readonly session: InferenceSession;
}

class PublicExecutable implements Executable {
  readonly #compiled: Compiled;
  readonly #running = new Set<Promise<void>>();
  readonly #onDispose: (e: PublicExecutable) => void;
  #disposed = false;

  constructor(compiled: Compiled, onDispose: (e: PublicExecutable) => void) {
    this.#compiled = compiled;
    this.#onDispose = onDispose;
  }

  bind(inputs: Values, outputs: Values): Binding {
    if (this.#disposed) throw new BackendError("bind on a disposed executable");
    checkBinding(this.#compiled.graph, inputs, outputs);
    return new PublicBinding(this, { inputs, outputs });
  }

  async run(inputs: Values, outputs: Values): Promise<void> {
    if (this.#disposed) throw new BackendError("run on a disposed executable");
    const { graph, model, session } = this.#compiled;
    const feeds = Object.fromEntries(
      [...graph.inputs.keys()].map((key, i) => [model.inputNames[i]!, tensorOf(inputs[key]!)]),
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

class PublicBinding implements Binding {
  readonly #executable: PublicExecutable;
  readonly #inputs: Values;
  readonly #outputs: Values;
  #busy = false;
  #disposed = false;

  constructor(
    executable: PublicExecutable,
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

function tensorOf({ dtype, shape, data }: Value): Tensor {
  if (dtype === "f32") return new Tensor("float32", data as Float32Array, shape);
  if (dtype === "i32") return new Tensor("int32", data as Int32Array, shape);
  if (dtype === "u8") return new Tensor("uint8", data as Uint8Array, shape);
  return new Tensor("bool", data as Uint8Array, shape);
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
