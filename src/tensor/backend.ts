/**
 * The interface to whatever executes graphs. A backend knows shapes and element types. It does not know models, tables,
 * sessions, files or what a graph means.
 *
 * Lifetimes: a `Value` belongs to the caller. From `bind` to `dispose` the backend may keep its address, so the caller
 * must not detach, transfer or resize its buffer. Its contents may change freely while no run is in flight. A run reads
 * the contents at its start, and has written every output when its promise resolves.
 */
import { ShapeError } from "../errors.ts";
import { dtypeOf, type Graph, type TensorData } from "./graph.ts";
import { type DType, formatType, sameShape, type Shape, sizeOf, type TensorType } from "./ops.ts";

/** Numbers with a shape, in host memory. */
export interface Value {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: TensorData;
}

/** Compiles graphs. Implementations must pass `backendConformance`. */
export interface Backend {
  readonly name: string;
  /** Loads what computes, if that takes time. A failure is tried again. */
  ready?(): Promise<void>;
  /**
   * Products x W^T, and rows of W, cost less where the matrix W [M,K] is an input [M/b,K,b] with this b, which the graph
   * transposes and reshapes: `reshape(transpose(w, [0, 2, 1]), [M, K])`. It knows of those graphs once it was asked. Absent
   * or undefined: they do not.
   */
  rowBlock?(): Promise<number | undefined>;
  /**
   * The same numbers where runs read and write them in place: the value itself, or, once a backend with a memory of its
   * own is `ready`, a copy there. Other values may be bound as well, and are copied for each run. With "read", nobody
   * writes these numbers again: a backend may run with a copy of its own, on a device.
   */
  place?(value: Value, use?: "read"): Value;
  /** Prepares a graph for running. Throws `BackendError` if the backend cannot express it. */
  compile(graph: Graph): Promise<Executable>;
  dispose(): Promise<void>;
}

export interface Executable {
  /**
   * Fixes where every input is read and every output is written. An output may be bound to the same
   * memory as an input of the same type (KV cache, optimizer state). The run then updates it in place.
   * Names and types must match the graph's exactly; otherwise `ShapeError`.
   */
  bind(inputs: Values, outputs: Values): Binding;
  dispose(): Promise<void>;
}

export type Values = Readonly<Record<string, Value>>;

export interface Binding {
  /** One run at a time per binding; different bindings may be in flight together. */
  run(): Promise<void>;
  dispose(): void;
}

export function dataFor(dtype: DType, length: number): TensorData {
  if (dtype === "f32") return new Float32Array(length);
  return dtype === "i32" ? new Int32Array(length) : new Uint8Array(length);
}

/** A zero-filled value. */
export function zeros(dtype: DType, shape: Shape): Value {
  return { dtype, shape, data: dataFor(dtype, sizeOf(shape)) };
}

export function valueOf(data: TensorData, shape: Shape): Value {
  const dtype = dtypeOf(data);
  if (data.length !== sizeOf(shape))
    throw new ShapeError(`${data.length} elements cannot have shape [${shape.join(",")}]`);
  return { dtype, shape, data };
}

/** Compiles, binds fresh outputs, runs once and disposes: for tests and one-off graphs. */
export async function runOnce(
  backend: Backend,
  graph: Graph,
  inputs: Values,
): Promise<Record<string, Value>> {
  const executable = await backend.compile(graph);
  const outputs: Record<string, Value> = {};
  for (const [name, t] of graph.outputs) outputs[name] = zeros(t.dtype, t.shape);
  try {
    const binding = executable.bind(inputs, outputs);
    await binding.run();
    binding.dispose();
  } finally {
    await executable.dispose();
  }
  return outputs;
}

/** The check every backend's `bind` starts with. */
export function checkBinding(graph: Graph, inputs: Values, outputs: Values): void {
  checkNames("input", graph.inputs, inputs);
  checkNames("output", graph.outputs, outputs);
}

function checkNames(kind: string, declared: ReadonlyMap<string, TensorType>, given: Values): void {
  for (const [name, type] of declared) {
    const value = given[name];
    if (value === undefined) throw new ShapeError(`graph ${kind} "${name}" is not bound`);
    if (value.dtype !== type.dtype || !sameShape(value.shape, type.shape))
      throw new ShapeError(
        `graph ${kind} "${name}": expected ${formatType(type)}, got ${formatType(value)}`,
      );
    if (value.data.length !== sizeOf(type.shape))
      throw new ShapeError(
        `graph ${kind} "${name}": ${formatType(type)} needs ${sizeOf(type.shape)} elements, got ${value.data.length}`,
      );
  }
  for (const name of Object.keys(given))
    if (!declared.has(name))
      throw new ShapeError(
        `graph has no ${kind} "${name}"; it has: ${[...declared.keys()].join(", ")}`,
      );
}
