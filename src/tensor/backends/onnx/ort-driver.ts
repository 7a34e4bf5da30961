/**
 * What both builds of ONNX Runtime need around them: graphs are lowered and compiled, bound to the caller's memory and
 * run. Knows lifetimes, aliasing and copies. Addresses and calls belong to the runtime that it is given
 * (`node/ort-c-api.ts`, `web/ort-wasm.ts`), operators to `lower.ts`.
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
import type { DType, Shape } from "../../ops.ts";
import { type BoundSpan, type Span, unsafeOutputs } from "./aliasing.ts";
import type { RowBlocks } from "./blocked.ts";
import { type Adapt, type InputLimit, lower, type OnnxModel } from "./lower.ts";
import { onnxType } from "./protobuf.ts";

/** One build of ONNX Runtime, as it is called. */
export interface OrtRuntime {
  /** Whether large constants are handed over beside the model (`OrtTensor`s), or inside it. */
  readonly constants: "external" | "inline";
  readonly adapt?: Adapt | undefined;
  /** What its kernels for matrices in blocks read (`Backend.rowBlock`). Absent: it has none. */
  rowBlocks?(): Promise<RowBlocks | undefined>;
  /** Whether kernels can read and write this memory where it is. */
  reaches(data: TensorData): boolean;
  /** Keeps a copy of numbers that nobody writes again where kernels reach it best; whether it has such a place. */
  hold?(data: TensorData): boolean;
  /** Zeroed memory that kernels reach. It lives as long as the array is reachable. */
  allocate(dtype: DType, length: number): TensorData;
  /** What `view` covers: equal or overlapping exactly if the memory is. */
  spanOf(view: ArrayBufferView): Span;
  /** A tensor over memory that kernels reach. `type` is an onnx.proto3 element type. */
  tensor(data: ArrayBufferView, type: number, dims: readonly number[]): OrtTensor;
  /** Loads a model. The session releases `constants`; so does a failure to load. */
  session(model: Uint8Array, constants: readonly NamedTensor[]): OrtSession | Promise<OrtSession>;
}

export interface OrtTensor {
  release(): void;
}

export interface NamedTensor<T extends OrtTensor = OrtTensor> {
  readonly name: string;
  readonly tensor: T;
}

export interface OrtSession {
  prepare(inputs: readonly NamedTensor[], outputs: readonly NamedTensor[]): OrtRun;
  release(): void;
}

/** A run that can be repeated. */
export interface OrtRun {
  run(): Promise<void>;
  /** Nothing of it is in flight. Its tensors are the caller's. */
  release?(): void;
}

/** ONNX Runtime with outputs written in place. `load` is called again after it failed. */
export function ortDriver(name: string, load: () => OrtRuntime | Promise<OrtRuntime>): Backend {
  return new OrtBackend(name, load);
}

class OrtBackend implements Backend {
  readonly name: string;
  readonly #load: () => OrtRuntime | Promise<OrtRuntime>;
  readonly #executables = new Set<OrtExecutable>();
  #runtime: OrtRuntime | undefined;
  #rowBlocks: RowBlocks | undefined;
  #disposed = false;

  constructor(name: string, load: () => OrtRuntime | Promise<OrtRuntime>) {
    this.name = name;
    this.#load = load;
  }

  async ready(): Promise<void> {
    this.#runtime ??= await this.#load();
  }

  async rowBlock(): Promise<number | undefined> {
    await this.ready();
    this.#rowBlocks ??= await this.#runtime!.rowBlocks?.();
    return this.#rowBlocks?.size;
  }

  place(value: Value, use?: "read"): Value {
    const runtime = this.#runtime;
    if (runtime === undefined || runtime.reaches(value.data)) return value;
    if (use === "read" && runtime.hold?.(value.data) === true) return value;
    const data = runtime.allocate(value.dtype, value.data.length);
    data.set(value.data);
    return { ...value, data };
  }

  async compile(graph: Graph): Promise<Executable> {
    this.#checkOpen();
    await this.ready();
    this.#checkOpen();
    const runtime = this.#runtime!;
    const { bytes, ...model } = lower(graph, {
      caches: "in place",
      constants: runtime.constants,
      rowBlocks: this.#rowBlocks,
      adapt: runtime.adapt,
    });
    const constants = model.external.map(({ name, raw, type, dims }) => ({
      name,
      tensor: runtime.tensor(raw, type, dims),
    }));
    const session = await runtime.session(bytes, constants);
    const executable = new OrtExecutable({ graph, model, runtime, session }, (e) =>
      this.#executables.delete(e),
    );
    if (this.#disposed) await executable.dispose();
    this.#checkOpen();
    this.#executables.add(executable);
    return executable;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all([...this.#executables].map((e) => e.dispose()));
  }

  #checkOpen(): void {
    if (this.#disposed) throw new BackendError("compile on a disposed backend");
  }
}

class OrtExecutable implements Executable {
  readonly #parts: ExecutableParts;
  readonly #bindings = new Set<OrtBinding>();
  /** Runs of all bindings, disposed ones too: the session must outlive every run. */
  readonly #running = new Set<Promise<void>>();
  readonly #onDispose: (e: OrtExecutable) => void;
  #disposed: Promise<void> | undefined;

  constructor(parts: ExecutableParts, onDispose: (e: OrtExecutable) => void) {
    this.#parts = parts;
    this.#onDispose = onDispose;
  }

  bind(inputs: Values, outputs: Values): Binding {
    if (this.#disposed) throw new BackendError("bind on a disposed executable");
    checkBinding(this.#parts.graph, inputs, outputs);
    const binding = new OrtBinding(
      { ...this.#parts, inputs, outputs },
      {
        starts: (run) => void this.#running.add(run),
        ends: (run) => void this.#running.delete(run),
        disposed: (b) => void this.#bindings.delete(b),
      },
    );
    this.#bindings.add(binding);
    return binding;
  }

  /** Waits for runs in flight. */
  dispose(): Promise<void> {
    return (this.#disposed ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    for (const b of this.#bindings) b.dispose();
    await Promise.allSettled(this.#running);
    this.#parts.session.release();
    this.#onDispose(this);
  }
}

interface ExecutableParts {
  readonly graph: Graph;
  readonly model: Omit<OnnxModel, "bytes">;
  readonly runtime: OrtRuntime;
  readonly session: OrtSession;
}

interface BindingParts extends ExecutableParts {
  readonly inputs: Values;
  readonly outputs: Values;
}

/** Callbacks from bindings to their executable. */
interface BindingEvents {
  starts(run: Promise<void>): void;
  ends(run: Promise<void>): void;
  disposed(binding: OrtBinding): void;
}

interface Copy {
  readonly from: TensorData;
  readonly to: TensorData;
}

class OrtBinding implements Binding {
  readonly #tensors: readonly OrtTensor[];
  readonly #prepared: OrtRun;
  readonly #before: readonly Copy[];
  readonly #after: readonly Copy[];
  readonly #limits: readonly (InputLimit & { readonly data: TensorData })[];
  readonly #events: BindingEvents;
  #inFlight: Promise<void> | undefined;
  #disposed = false;

  constructor(parts: BindingParts, events: BindingEvents) {
    const { graph, model, runtime, session, inputs, outputs } = parts;
    const spans = (declared: ReadonlyMap<string, unknown>, values: Values, names: Names) =>
      [...declared.keys()].map((key, i): BoundSpan => {
        return { key, name: names[i]!, span: runtime.spanOf(values[key]!.data) };
      });
    const unsafe = unsafeOutputs(model.nodes, {
      inputs: spans(graph.inputs, inputs, model.inputNames),
      outputs: spans(graph.outputs, outputs, model.outputNames),
      inPlace: model.inPlace,
    });
    const before: Copy[] = [];
    const after: Copy[] = [];
    const beside = ({ dtype, data, shape }: Value): Value => {
      return { dtype, shape, data: runtime.allocate(dtype, data.length) };
    };
    const written = new Map<string, Value>();
    for (const name of graph.outputs.keys()) {
      const value = outputs[name]!;
      if (runtime.reaches(value.data) && !unsafe.has(name)) written.set(name, value);
      else {
        const copy = beside(value);
        written.set(name, copy);
        after.push({ from: copy.data, to: value.data });
      }
    }
    const read = new Map<string, Value>();
    for (const { input, output } of model.inPlace) {
      const [source, target] = [inputs[input]!, written.get(output)!];
      read.set(input, target);
      if (runtime.spanOf(source.data).start !== runtime.spanOf(target.data).start)
        before.push({ from: source.data, to: target.data });
    }
    for (const name of graph.inputs.keys()) {
      if (read.has(name)) continue;
      const value = inputs[name]!;
      if (runtime.reaches(value.data)) read.set(name, value);
      else {
        const copy = beside(value);
        read.set(name, copy);
        before.push({ from: value.data, to: copy.data });
      }
    }
    const bound = (name: string, { data, dtype }: Value, shape: Shape): NamedTensor => {
      return { name, tensor: runtime.tensor(data, onnxType[dtype], shape) };
    };
    const ins = [...graph.inputs.keys()].map((key, i) =>
      bound(model.inputNames[i]!, read.get(key)!, model.inputDims[i]!),
    );
    const outs = [...graph.outputs].map(([key, { shape }], i) =>
      bound(model.outputNames[i]!, written.get(key)!, shape),
    );
    this.#tensors = [...ins, ...outs].map(({ tensor }) => tensor);
    this.#prepared = session.prepare(ins, outs);
    this.#before = before;
    this.#after = after;
    this.#limits = model.limits.map((l) => ({ ...l, data: inputs[l.name]!.data }));
    this.#events = events;
  }

  async run(): Promise<void> {
    if (this.#disposed) throw new BackendError("run on a disposed binding");
    if (this.#inFlight !== undefined)
      throw new BackendError("this binding already runs: await its last run, or bind another");
    for (const { name, data, least, most } of this.#limits) {
      const wrong = data.find((v) => v < least || v > most);
      if (wrong !== undefined)
        throw new BackendError(`input "${name}": expected ${least} to ${most}, got ${wrong}`);
    }
    for (const { from, to } of this.#before) to.set(from);
    const run = this.#prepared.run();
    this.#inFlight = run;
    this.#events.starts(run);
    try {
      await run;
    } finally {
      this.#inFlight = undefined;
      if (this.#disposed) this.#release();
      this.#events.ends(run);
    }
    for (const { from, to } of this.#after) to.set(from);
  }

  /** If a run is in flight, memory stays bound until the run ends. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#events.disposed(this);
    if (this.#inFlight === undefined) this.#release();
  }

  #release(): void {
    this.#prepared.release?.();
    for (const t of this.#tensors) t.release();
  }
}

type Names = readonly string[];
