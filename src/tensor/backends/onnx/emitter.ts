/**
 * Collects the nodes and constants of an ONNX model while a graph is lowered. Leaves out layout changes that cancel:
 * reshapes of reshapes, transposes that undo each other or move only axes of length one. Knows how ONNX nodes are
 * written; not which op becomes which node.
 */
import type { TensorData } from "../../graph.ts";
import { type DType, sameShape, type Shape } from "../../ops.ts";
import { type Attribute, type OnnxInitializer, type OnnxNode, onnxType } from "./protobuf.ts";

export type Attributes = Readonly<Record<string, Attribute>>;

export const MS = "com.microsoft";

/** ONNX Runtime's kernels on channels in blocks, which only some processors have. */
export const NCHWC = "com.microsoft.nchwc";

const arrays = { f32: Float32Array, i32: Int32Array, u8: Uint8Array };

/** Says that a value is `from`, of shape `shape`, with its axes permuted. */
interface Turned {
  readonly from: string;
  readonly shape: Shape;
  readonly perm: readonly number[];
}

export class Emitter {
  readonly #nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly #constants = new Map<string, OnnxInitializer>();
  readonly #externalFrom: number;
  readonly #ints = new Map<string, string>();
  readonly #shared = new Map<string, string>();
  /** For a reshaped value: the value with the same elements in the same order. */
  readonly #roots = new Map<string, string>();
  readonly #turned = new Map<string, Turned>();
  readonly #shapes = new Map<string, Shape>();
  #temps = 0;

  /** Constants of at least `externalFrom` bytes stay out of the model. */
  constructor({ externalFrom = Infinity }: { externalFrom?: number } = {}) {
    this.#externalFrom = externalFrom;
  }

  add(opType: string, inputs: readonly string[], outputs: readonly string[], a?: Attributes): void {
    this.#nodes.push({ opType, domain: "", inputs, outputs, attributes: a ?? {} });
  }

  addMs(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    a?: Attributes,
  ): void {
    this.#nodes.push({ opType, domain: MS, inputs, outputs, attributes: a ?? {} });
  }

  temp(): string {
    return `x${this.#temps++}`;
  }

  /** The result of a node with one output, read only by later nodes of the same op. */
  via(opType: string, inputs: readonly string[], a?: Attributes): string {
    const out = this.temp();
    this.add(opType, inputs, [out], a);
    return out;
  }

  viaMs(opType: string, inputs: readonly string[], a?: Attributes): string {
    const out = this.temp();
    this.addMs(opType, inputs, [out], a);
    return out;
  }

  /** As `via`, but equal requests share one node: for what every layer would otherwise compute again. */
  shared(opType: string, inputs: readonly string[], a?: Attributes, domain = ""): string {
    const attributes = Object.entries(a ?? {}).map(([k, v]) => `${k}=${String(v)}`);
    const key = [domain, opType, ...inputs, ...attributes].join("|");
    let name = this.#shared.get(key);
    if (name === undefined) {
      name = this.temp();
      this.#nodes.push({ opType, domain, inputs, outputs: [name], attributes: a ?? {} });
      this.#shared.set(key, name);
    }
    return name;
  }

  /** States the shape of a named value, so that a reshape to that same shape is left out. */
  declare(name: string, shape: Shape): void {
    this.#shapes.set(name, shape);
  }

  shapeOf(name: string): Shape | undefined {
    return this.#shapes.get(name);
  }

  /**
   * What `write` makes of the rows of `x`, which have `from` elements before and `to` after. If `x` was reshaped from a
   * value with the same rows and other leading axes, the result has those.
   */
  onRows(x: string, [from, to]: readonly [number, number], write: (x: string) => string): string {
    const root = this.#roots.get(x) ?? x;
    const rows = this.#shapes.get(root)?.at(-1) === from ? root : x;
    const y = write(rows);
    this.#shapes.set(y, [...this.#shapes.get(rows)!.slice(0, -1), to]);
    return y;
  }

  /** Values of one shape with the same elements as `names`, if they have such a shape besides `shape`. */
  sameRoots(names: readonly string[], shape: Shape): readonly string[] | undefined {
    const roots = names.map((name) => this.#roots.get(name) ?? name);
    const [first] = roots.map((name) => this.#shapes.get(name));
    if (first === undefined || sameShape(first, shape)) return undefined;
    const isSame = roots.every((name) => sameShape(this.#shapes.get(name) ?? [], first));
    return isSame ? roots : undefined;
  }

  /** The value that was split along its last axis into these, or into what they were reshaped from; undefined where none was. */
  whole(parts: readonly string[]): string | undefined {
    const roots = parts.map((part) => this.#roots.get(part) ?? part).join();
    return this.#nodes.find((n) => n.attributes["axis"] === -1n && n.outputs.join() === roots)
      ?.inputs[0];
  }

  /** `x` with another shape, named `out` if given. */
  reshape(x: string, shape: Shape, out?: string): string {
    const root = this.#roots.get(x) ?? x;
    const known = this.#shapes.get(root);
    if (out === undefined && known !== undefined && sameShape(known, shape)) return root;
    const name = out ?? this.temp();
    this.add("Reshape", [root, this.ints(shape)], [name]);
    this.#roots.set(name, root);
    this.#shapes.set(name, shape);
    return name;
  }

  /** The value that `x` was reshaped from, if that has the shape `other`; otherwise `x`. */
  shapedAs(x: string, other: Shape): string {
    const root = this.#roots.get(x);
    const known = root === undefined ? undefined : this.#shapes.get(root);
    return known !== undefined && sameShape(known, other) ? root! : x;
  }

  /** `x`, of shape `shape`, transposed: axis i of the result is axis perm[i]. Named `name` if given. */
  transpose(x: string, { shape, perm }: Omit<Turned, "from">, name?: string): string {
    const before = this.#turned.get(this.#roots.get(x) ?? x);
    const follows = before !== undefined && sameShape(permuted(before.shape, before.perm), shape);
    const whole: Turned = follows
      ? { ...before, perm: perm.map((p) => before.perm[p]!) }
      : { from: x, shape, perm };
    const result = permuted(whole.shape, whole.perm);
    if (movesNothing(whole)) return this.reshape(whole.from, result, name);
    const from = follows ? this.reshape(whole.from, whole.shape) : whole.from;
    const a = { perm: whole.perm.map(BigInt) };
    const out = name ?? this.shared("Transpose", [from], a);
    if (name !== undefined) this.add("Transpose", [from], [name], a);
    this.#turned.set(out, whole);
    this.#shapes.set(out, result);
    return out;
  }

  /** Whether `x`, of shape `shape`, was made by a transpose by `perm`. */
  isTransposed(x: string, { shape, perm }: Omit<Turned, "from">): boolean {
    const t = this.#turned.get(this.#roots.get(x) ?? x);
    return t !== undefined && sameShape(t.perm, perm) && sameShape(permuted(t.shape, perm), shape);
  }

  initializer(name: string, type: DType, shape: Shape, data: TensorData): string {
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    return this.#declareConstant({ name, type: onnxType[type], dims: shape, raw });
  }

  #declareConstant(constant: OnnxInitializer): string {
    const isExternal = constant.raw.length >= this.#externalFrom;
    const declared = { ...constant, isExternal };
    this.initializers.push(declared);
    this.#constants.set(constant.name, declared);
    return constant.name;
  }

  /**
   * `x` with another shape. If `x` is a constant, so is the result, because some kernels repack a weight at load time
   * only if it is a constant. Where constants are stored outside the model, both share the same memory.
   */
  reshapeConstant(x: string, dims: Shape): string {
    const constant = this.#constants.get(x);
    if (constant === undefined) return this.reshape(x, dims);
    if (sameShape(constant.dims, dims)) return x;
    const name = `${x}[${dims.join(",")}]`;
    if (!this.#constants.has(name)) this.#declareConstant({ ...constant, name, dims });
    return name;
  }

  /** A 1-D int64 constant: axes, shapes, bounds. */
  ints(values: readonly number[]): string {
    const key = values.join(",");
    let name = this.#ints.get(key);
    if (name === undefined) {
      name = `n${this.#ints.size}`;
      this.#ints.set(key, name);
      const raw = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      this.initializers.push({ name, type: onnxType.i64, dims: [values.length], raw });
    }
    return name;
  }

  /** A small constant; equal requests share one. */
  constant(type: "f32" | "i32" | "u8", shape: Shape, values: readonly number[]): string {
    const key = `${type}|${shape.join(",")}|${values.join(",")}`;
    let name = this.#shared.get(key);
    if (name === undefined) {
      const data = new arrays[type](values);
      name = this.initializer(this.temp(), type, shape, data);
      this.#shared.set(key, name);
    }
    return name;
  }

  /** The nodes that `outputs` depend on, in order. */
  nodesFor(outputs: readonly string[]): OnnxNode[] {
    const needed = new Set(outputs);
    const kept: OnnxNode[] = [];
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some((name) => needed.has(name))) continue;
      kept.push(node);
      for (const name of node.inputs) needed.add(name);
    }
    return kept.toReversed();
  }
}

function permuted(shape: Shape, perm: readonly number[]): number[] {
  return perm.map((p) => shape[p]!);
}

/** Whether the axes longer than one stay in order. */
function movesNothing({ shape, perm }: Omit<Turned, "from">): boolean {
  const long = perm.filter((p) => shape[p] !== 1);
  return long.every((p, i) => i === 0 || long[i - 1]! < p);
}
