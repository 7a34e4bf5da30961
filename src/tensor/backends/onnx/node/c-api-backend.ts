/**
 * The fast backend on Node: ONNX Runtime through its C interface. Inputs are read and outputs written directly in the
 * caller's memory, and runs happen on a worker thread. Knows lifetimes and aliasing. Pointers belong to `ort-c-api.ts`,
 * operators to `lower.ts`.
 */
import { BackendError } from "../../../../errors.ts";
import {
  type Backend,
  type Binding,
  checkBinding,
  dataFor,
  type Executable,
  type Value,
  type Values,
} from "../../../backend.ts";
import type { Graph, TensorData } from "../../../graph.ts";
import { type BoundSpan, unsafeOutputs } from "../aliasing.ts";
import { type InputLimit, lower, type OnnxModel } from "../lower.ts";
import { onnxType } from "../protobuf.ts";
import {
  type NamedTensor,
  NativeSession,
  NativeTensor,
  openRuntime,
  PackedConstants,
  PreparedRun,
  type RuntimeOptions,
  spanOf,
} from "./ort-c-api.ts";

/** `threads`: size of the thread pool of the process, fixed by its first user. Absent: any number is fine. */
export type NativeBackendOptions = RuntimeOptions;

/** ONNX Runtime with in-place outputs and asynchronous runs; or the reason why its library cannot be used. */
export function nativeBackend(options: NativeBackendOptions): Backend | string {
  return openRuntime(options) ?? new OrtBackend();
}

class OrtBackend implements Backend {
  readonly name = "onnx";
  readonly #executables = new Set<OrtExecutable>();
  /** Shared by all executables; present while there are any. */
  #packed: PackedConstants | undefined;
  #disposed = false;

  // oxlint-disable-next-line require-await -- the interface allows backends that load slowly
  async compile(graph: Graph): Promise<Executable> {
    if (this.#disposed) throw new BackendError("compile on a disposed backend");
    this.#packed ??= new PackedConstants();
    const executable = new OrtExecutable(graph, {
      packed: this.#packed,
      onDispose: (e) => this.#forget(e),
    });
    this.#executables.add(executable);
    return executable;
  }

  #forget(executable: OrtExecutable): void {
    this.#executables.delete(executable);
    if (this.#executables.size > 0) return;
    this.#packed?.release();
    this.#packed = undefined;
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await Promise.all([...this.#executables].map((e) => e.dispose()));
    this.#packed?.release();
  }
}

class OrtExecutable implements Executable {
  readonly #graph: Graph;
  readonly #model: Omit<OnnxModel, "bytes">;
  readonly #session: NativeSession;
  readonly #bindings = new Set<OrtBinding>();
  /** Runs of all bindings, disposed ones too: the session must outlive every run. */
  readonly #running = new Set<Promise<void>>();
  readonly #onDispose: (e: OrtExecutable) => void;
  #disposed = false;

  constructor(
    graph: Graph,
    { packed, onDispose }: { packed: PackedConstants; onDispose: (e: OrtExecutable) => void },
  ) {
    const { bytes, ...model } = lower(graph, { caches: "in place", constants: "external" });
    const tensors = model.external.map(({ name, raw, type, dims }) => ({
      name,
      tensor: new NativeTensor(raw, type, dims),
    }));
    try {
      this.#session = new NativeSession(bytes, { tensors, packed });
    } catch (error) {
      for (const { tensor } of tensors) tensor.release();
      throw error;
    }
    this.#graph = graph;
    this.#model = model;
    this.#onDispose = onDispose;
  }

  bind(inputs: Values, outputs: Values): Binding {
    if (this.#disposed) throw new BackendError("bind on a disposed executable");
    checkBinding(this.#graph, inputs, outputs);
    const parts = {
      graph: this.#graph,
      model: this.#model,
      session: this.#session,
      inputs,
      outputs,
    };
    const binding = new OrtBinding(parts, {
      starts: (run) => void this.#running.add(run),
      ends: (run) => void this.#running.delete(run),
      disposed: (b) => void this.#bindings.delete(b),
    });
    this.#bindings.add(binding);
    return binding;
  }

  /** Waits for runs in flight. */
  async dispose(): Promise<void> {
    this.#disposed = true;
    for (const b of this.#bindings) b.dispose();
    await Promise.allSettled(this.#running);
    this.#session.release();
    this.#onDispose(this);
  }
}

interface BindingParts {
  readonly graph: Graph;
  readonly model: Omit<OnnxModel, "bytes">;
  readonly session: NativeSession;
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
  readonly #tensors: readonly NativeTensor[];
  readonly #prepared: PreparedRun;
  readonly #before: readonly Copy[];
  readonly #after: readonly Copy[];
  readonly #limits: readonly (InputLimit & { readonly data: TensorData })[];
  readonly #events: BindingEvents;
  #inFlight: Promise<void> | undefined;
  #disposed = false;

  constructor(parts: BindingParts, events: BindingEvents) {
    const { graph, model, session, inputs, outputs } = parts;
    const scratch = unsafeOutputs(model.nodes, {
      inputs: spans(graph.inputs, inputs, model.inputNames),
      outputs: spans(graph.outputs, outputs, model.outputNames),
      inPlace: model.inPlace,
    });
    const before: Copy[] = [];
    const after: Copy[] = [];
    const written = new Map<string, Value>();
    for (const name of graph.outputs.keys()) {
      const value = outputs[name]!;
      if (scratch.has(name)) {
        const data = dataFor(value.dtype, value.data.length);
        written.set(name, { ...value, data });
        after.push({ from: data, to: value.data });
      } else written.set(name, value);
    }
    const read = new Map(Object.entries(inputs));
    for (const { input, output } of model.inPlace) {
      const [source, target] = [inputs[input]!, written.get(output)!];
      read.set(input, target);
      if (spanOf(source.data).start !== spanOf(target.data).start)
        before.push({ from: source.data, to: target.data });
    }
    const ins = nativeTensors(graph.inputs, read, model.inputNames);
    const outs = nativeTensors(graph.outputs, written, model.outputNames);
    this.#tensors = [...ins, ...outs].map(({ tensor }) => tensor);
    this.#prepared = new PreparedRun(session, ins, outs);
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
    for (const t of this.#tensors) t.release();
  }
}

/** Tensors over `values`, in the order of the graph's map, with the model's names. */
function nativeTensors(
  declared: ReadonlyMap<string, unknown>,
  values: ReadonlyMap<string, Value>,
  names: readonly string[],
): NamedTensor[] {
  return [...declared.keys()].map((key, i) => {
    const { data, dtype, shape } = values.get(key)!;
    return { name: names[i]!, tensor: new NativeTensor(data, onnxType[dtype], shape) };
  });
}

function spans(
  declared: ReadonlyMap<string, unknown>,
  values: Values,
  names: readonly string[],
): BoundSpan[] {
  return [...declared.keys()].map((key, i) => ({
    key,
    name: names[i]!,
    span: spanOf(values[key]!.data),
  }));
}
