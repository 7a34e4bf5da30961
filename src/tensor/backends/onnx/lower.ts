/**
 * Writes a graph as an ONNX model: one total table from our ops to ONNX nodes (operator set 24 and
 * ONNX Runtime's own `com.microsoft`). It knows which ONNX op means what and which is quick on the
 * CPU provider; it does not know how the model is run or where values lie.
 *
 * ONNX Runtime's graph optimizer is left off by the drivers: what is written here is what runs, so
 * the in-place analysis (`aliasing.ts`) can reason about single kernels.
 */
import { BackendError } from "../../../errors.ts";
import type { Graph, Node, Tensor, TensorData } from "../../graph.ts";
import { type DType, type OpAttrs, type OpName, type Shape, sizeOf } from "../../ops.ts";
import {
  type Attribute,
  encodeModel,
  type OnnxInitializer,
  type OnnxNode,
  type OnnxTensor,
  onnxType,
} from "./protobuf.ts";

/** A cache that an ONNX kernel can only update in place: `output` must start as a copy of `input`. */
export interface InPlacePair {
  readonly input: string;
  readonly output: string;
}

/** A graph input that an ONNX kernel trusts: other values would make it write past its memory. */
export interface InputLimit {
  readonly name: string;
  readonly least: number;
  readonly most: number;
}

export interface OnnxModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What `bytes` says, in an order in which it may run. */
  readonly nodes: readonly OnnxNode[];
  /** Names inside the model, in the order of the graph's maps. */
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  /** By graph names. The driver must bind both ends of each pair to the output's memory. */
  readonly inPlace: readonly InPlacePair[];
  /** The driver must check these before every run. */
  readonly limits: readonly InputLimit[];
}

type Attributes = Readonly<Record<string, Attribute>>;

const MS = "com.microsoft";

class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly initializers: OnnxInitializer[] = [];
  readonly #ints = new Map<string, string>();
  #temps = 0;

  add(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    a: Attributes = {},
  ): void {
    this.nodes.push({ opType, domain: "", inputs, outputs, attributes: a });
  }

  addMs(
    opType: string,
    inputs: readonly string[],
    outputs: readonly string[],
    a: Attributes = {},
  ): void {
    this.nodes.push({ opType, domain: MS, inputs, outputs, attributes: a });
  }

  temp(): string {
    return `x${this.#temps++}`;
  }

  /** The result of a one-output node that only later nodes of the same op read. */
  via(opType: string, inputs: readonly string[], a: Attributes = {}): string {
    const out = this.temp();
    this.add(opType, inputs, [out], a);
    return out;
  }

  viaMs(opType: string, inputs: readonly string[], a: Attributes = {}): string {
    const out = this.temp();
    this.addMs(opType, inputs, [out], a);
    return out;
  }

  initializer(name: string, type: DType, shape: Shape, data: TensorData): string {
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.initializers.push({ name, type: onnxType[type], dims: shape, raw });
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

  scalar(type: "f32" | "i32", value: number): string {
    const data = type === "f32" ? Float32Array.of(value) : Int32Array.of(value);
    return this.initializer(this.temp(), type, [], data);
  }
}

/** One op to be written: names of its values inside the model, and its typed node. */
interface Site<K extends OpName> {
  readonly node: Node<K>;
  readonly attrs: OpAttrs[K];
  readonly in: readonly string[];
  readonly out: readonly string[];
  /** Whether input i's memory may be given to the kernel as output i' (see `InPlacePair`). */
  readonly cachesInPlace: boolean;
}

type Lowering<K extends OpName> = (e: Emitter, site: Site<K>) => void;

const plain =
  (opType: string): Lowering<OpName> =>
  (e, s) =>
    e.add(opType, s.in, s.out);

function reduce<K extends "reduceSum" | "reduceMean">(opType: string): Lowering<K> {
  return (e, s) => e.add(opType, [s.in[0]!, e.ints(s.attrs.axes)], s.out, { keepdims: 1n });
}

const flag = (value: boolean): bigint => (value ? 1n : 0n);

const lowerings: { readonly [K in OpName]: Lowering<K> } = {
  add: plain("Add"),
  sub: plain("Sub"),
  mul: plain("Mul"),
  div: plain("Div"),
  maximum: plain("Max"),
  neg: plain("Neg"),
  abs: plain("Abs"),
  exp: plain("Exp"),
  log: plain("Log"),
  sqrt: plain("Sqrt"),
  reciprocal: plain("Reciprocal"),
  sigmoid: plain("Sigmoid"),
  silu: (e, s) => e.addMs("QuickGelu", s.in, s.out, { alpha: 1 }),
  less: plain("Less"),
  equal: plain("Equal"),
  and: plain("And"),
  or: plain("Or"),
  where: plain("Where"),
  cast: (e, s) => e.add("Cast", s.in, s.out, { to: BigInt(onnxType[s.attrs.to]) }),
  reshape: (e, s) => e.add("Reshape", [s.in[0]!, e.ints(s.attrs.shape)], s.out),
  transpose: (e, s) => e.add("Transpose", s.in, s.out, { perm: s.attrs.perm.map(BigInt) }),
  slice: (e, s) => {
    const { axis, start, end } = s.attrs;
    e.add("Slice", [s.in[0]!, e.ints([start]), e.ints([end]), e.ints([axis])], s.out);
  },
  pad: (e, s) => {
    const { axis, before, after } = s.attrs;
    e.add("Pad", [s.in[0]!, e.ints([before, after]), e.scalar("f32", 0), e.ints([axis])], s.out);
  },
  concat: (e, s) => e.add("Concat", s.in, s.out, { axis: BigInt(s.attrs.axis) }),
  broadcastTo: (e, s) => e.add("Expand", [s.in[0]!, e.ints(s.attrs.shape)], s.out),
  reduceSum: reduce("ReduceSum"),
  reduceMean: reduce("ReduceMean"),
  matmul: (e, s) => {
    const { transA, transB } = s.attrs;
    if (s.node.inputs[0]!.shape.length === 2)
      e.add("Gemm", s.in, s.out, { transA: flag(transA), transB: flag(transB) });
    else if (transA || transB)
      e.addMs("FusedMatMul", s.in, s.out, { transA: flag(transA), transB: flag(transB) });
    else e.add("MatMul", s.in, s.out);
  },
  gatherRows: (e, s) => e.add("Gather", s.in, s.out, { axis: 0n }),
  scatterAddRows: (e, s) => {
    const rows = s.node.inputs[1]!.shape;
    const [n, d] = [sizeOf(rows.slice(0, -1)), rows.at(-1)!];
    const column = e.via("Reshape", [s.in[0]!, e.ints([n, 1])]);
    const ids = e.via("Expand", [column, e.ints([n, d])]);
    const updates = e.via("Reshape", [s.in[1]!, e.ints([n, d])]);
    const zero = e.via("ConstantOfShape", [e.ints([s.attrs.numRows, d])]);
    e.add("ScatterElements", [zero, ids, updates], s.out, { axis: 0n, reduction: "add" });
  },
  softmax: (e, s) => e.add("Softmax", s.in, s.out, { axis: -1n }),
  rmsNorm: (e, s) =>
    e.add("SimplifiedLayerNormalization", s.in, s.out, { axis: -1n, epsilon: s.attrs.eps }),
  rotary: (e, s) => {
    const [x, cos, sin] = s.in as [string, string, string];
    e.addMs("RotaryEmbedding", [x, e.ints([0]), cos, sin], s.out);
  },
  attention: (e, s) => {
    const [q, k, v, bias] = s.in as [string, string, string, string];
    const scores = e.viaMs("FusedMatMul", [q, k], { transB: 1n, alpha: s.attrs.scale });
    const [out, probs] = s.out as [string, string];
    e.add("Softmax", [e.via("Add", [scores, bias])], [probs], { axis: -1n });
    e.add("MatMul", [probs, v], [out]);
  },
  cachedAttention: (e, s) => (s.cachesInPlace ? groupQuery(e, s) : scatterAttend(e, s)),
  linearCrossEntropy: (e, s) => {
    const [hidden, weight, labels] = s.in as [string, string, string];
    const [loss, probs] = s.out as [string, string];
    const n = s.node.outputs[0]!.shape[0]!;
    const logits = e.via("Gemm", [hidden, weight], { transB: 1n });
    e.add("Softmax", [logits], [probs], { axis: -1n });
    // loss = max - logit[label] + log(sum), and the greatest probability is 1 / sum. Exact however
    // hopeless the label, and much cheaper than LogSoftmax: two maxima instead of a written pass.
    const column = e.via("Reshape", [labels, e.ints([n, 1])]);
    const picked = e.via("GatherElements", [logits, column], { axis: 1n });
    const axis = e.ints([1]);
    const behind = e.via("Sub", [e.via("ReduceMax", [logits, axis]), picked]);
    const total = e.via("Log", [e.via("ReduceMax", [probs, axis])]);
    e.add("Reshape", [e.via("Sub", [behind, total]), e.ints([n])], [loss]);
  },
  subtractOneHot: (e, s) => {
    const n = s.node.inputs[0]!.shape[0]!;
    const column = e.via("Reshape", [s.in[1]!, e.ints([n, 1])]);
    const ones = e.initializer(e.temp(), "f32", [n, 1], new Float32Array(n).fill(-1));
    e.add("ScatterElements", [s.in[0]!, column, ones], s.out, { axis: 1n, reduction: "add" });
  },
};

type CacheSite = Site<"cachedAttention">;

/** GroupQueryAttention over caches that input and output share: touches only positions in use. */
function groupQuery(e: Emitter, s: CacheSite): void {
  const [q, k, v, kCache, vCache, past] = s.in as [string, string, string, string, string, string];
  const [b, h, t, d] = s.node.inputs[0]!.shape as [number, number, number, number];
  const kv = s.node.inputs[1]!.shape[1]!;
  const rows = (x: string, heads: number): string =>
    e.via("Reshape", [
      t === 1 ? x : e.via("Transpose", [x], { perm: [0n, 2n, 1n, 3n] }),
      e.ints([b, t, heads * d]),
    ]);
  const last = e.via("Add", [past, e.scalar("i32", t - 1)]);
  const longest = e.via("ReduceMax", [e.via("Add", [past, e.scalar("i32", t)])], { keepdims: 0n });
  const merged = e.temp();
  e.addMs(
    "GroupQueryAttention",
    [rows(q, h), rows(k, kv), rows(v, kv), kCache, vCache, last, longest],
    [merged, s.out[1]!, s.out[2]!],
    { num_heads: BigInt(h), kv_num_heads: BigInt(kv), scale: s.attrs.scale },
  );
  if (t === 1) e.add("Reshape", [merged, e.ints([b, h, t, d])], [s.out[0]!]);
  else {
    const split = e.via("Reshape", [merged, e.ints([b, t, h, d])]);
    e.add("Transpose", [split], [s.out[0]!], { perm: [0n, 2n, 1n, 3n] });
  }
}

/** The same from plain parts, over the whole capacity: exact for every batch and chunk length. */
function scatterAttend(e: Emitter, s: CacheSite): void {
  const [q, k, v, kCache, vCache, past] = s.in as [string, string, string, string, string, string];
  const [b, h, t, d] = s.node.inputs[0]!.shape as [number, number, number, number];
  const [, kv, capacity] = s.node.inputs[3]!.shape as [number, number, number, number];
  const group = h / kv;
  const where = e.via("Cast", [past], { to: BigInt(onnxType.i64) });
  const [out, keys, values] = s.out as [string, string, string];
  e.add("TensorScatter", [kCache, k, where], [keys], { axis: -2n });
  e.add("TensorScatter", [vCache, v, where], [values], { axis: -2n });
  const queries = e.via("Reshape", [q, e.ints([b, kv, group * t, d])]);
  const scores = e.viaMs("FusedMatMul", [queries, keys], { transB: 1n, alpha: s.attrs.scale });
  const steps = e.initializer(
    e.temp(),
    "i32",
    [1, t, 1],
    Int32Array.from({ length: t }, (_, i) => i + 1),
  );
  const places = e.initializer(
    e.temp(),
    "i32",
    [1, 1, capacity],
    Int32Array.from({ length: capacity }, (_, i) => i),
  );
  const limit = e.via("Add", [e.via("Reshape", [past, e.ints([b, 1, 1])]), steps]);
  const seen = e.via("Reshape", [e.via("Less", [places, limit]), e.ints([b, 1, 1, t, capacity])]);
  const split = e.via("Reshape", [scores, e.ints([b, kv, group, t, capacity])]);
  const masked = e.via("Where", [seen, split, e.scalar("f32", -Infinity)]);
  const probs = e.via("Softmax", [masked], { axis: -1n });
  const rows = e.via("Reshape", [probs, e.ints([b, kv, group * t, capacity])]);
  e.add("Reshape", [e.via("MatMul", [rows, values]), e.ints([b, h, t, d])], [out]);
}

/** What GroupQueryAttention needs to own both caches of a node; undefined if it may not. */
interface CacheClaim {
  readonly pairs: readonly InPlacePair[];
  readonly limit: InputLimit;
}

function claimCaches(graph: Graph, node: Node): CacheClaim | undefined {
  if (node.op !== "cachedAttention") return undefined;
  const [b, , t, d] = node.inputs[0]!.shape as [number, number, number, number];
  // The kernel refuses a batch of chunks that continue earlier ones, and odd head widths.
  if ((b > 1 && t > 1) || d % 8 !== 0) return undefined;
  const inputOf = (x: Tensor): string | undefined =>
    [...graph.inputs].find(([, y]) => y === x)?.[0];
  const pairs: InPlacePair[] = [];
  for (const i of [0, 1]) {
    const [before, after] = [node.inputs[3 + i]!, node.outputs[1 + i]!];
    const input = inputOf(before);
    const output = [...graph.outputs].find(([, x]) => x === after)?.[0];
    const uses = graph.nodes.flatMap((n) => n.inputs).filter((x) => x === before).length;
    const isOutput = [...graph.outputs.values()].includes(before);
    if (input === undefined || output === undefined || uses !== 1 || isOutput) return undefined;
    pairs.push({ input, output });
  }
  const name = inputOf(node.inputs[5]!);
  const most = node.inputs[3]!.shape[2]! - t;
  return name === undefined ? undefined : { pairs, limit: { name, least: 0, most } };
}

export interface LowerOptions {
  /** "in place" if the driver honours `OnnxModel.inPlace` and `limits`, as fast decoding needs. */
  readonly caches: "in place" | "separate";
}

/** The graph as an ONNX model; `BackendError` if it is too large for one. */
export function lower(graph: Graph, { caches }: LowerOptions): OnnxModel {
  const e = new Emitter();
  const names = new Map<Tensor, string>();
  for (const [name, t] of graph.inputs) names.set(t, `i:${name}`);
  for (const [t, data] of graph.constants)
    names.set(t, e.initializer(`c${t.id}`, t.dtype, t.shape, data));
  const copies: [Tensor, string][] = [];
  for (const [name, t] of graph.outputs)
    if (names.has(t)) copies.push([t, `o:${name}`]);
    else names.set(t, `o:${name}`);
  const claims: CacheClaim[] = [];
  for (const node of graph.nodes) {
    for (const t of node.outputs) if (!names.has(t)) names.set(t, `t${t.id}`);
    const claim = caches === "in place" ? claimCaches(graph, node) : undefined;
    if (claim !== undefined) claims.push(claim);
    write(e, node, { names, cachesInPlace: claim !== undefined });
  }
  for (const [t, name] of copies) e.add("Identity", [names.get(t)!], [name]);
  const inputs = typed("i:", graph.inputs);
  const outputs = typed("o:", graph.outputs);
  const size = e.initializers.reduce((n, t) => n + t.raw.length, 0);
  if (size > 1.9 * 2 ** 30)
    throw new BackendError(
      `graph constants take ${size} bytes, an ONNX model holds 2 GiB: pass them as inputs`,
    );
  return {
    bytes: encodeModel(
      { nodes: e.nodes, initializers: e.initializers, inputs, outputs },
      { "": 24, [MS]: 1 },
    ),
    nodes: e.nodes,
    inputNames: inputs.map((t) => t.name),
    outputNames: outputs.map((t) => t.name),
    inPlace: claims.flatMap((c) => c.pairs),
    limits: claims.map((c) => c.limit),
  };
}

function typed(prefix: string, of: ReadonlyMap<string, Tensor>): OnnxTensor[] {
  return [...of].map(([name, t]) => ({
    name: prefix + name,
    type: onnxType[t.dtype],
    dims: t.shape,
  }));
}

interface WriteOptions {
  readonly names: ReadonlyMap<Tensor, string>;
  readonly cachesInPlace: boolean;
}

function write<K extends OpName>(e: Emitter, node: Node<K>, options: WriteOptions): void {
  const { names, cachesInPlace } = options;
  const lowering: Lowering<K> = lowerings[node.op];
  lowering(e, {
    node,
    attrs: node.attrs,
    in: node.inputs.map((t) => names.get(t)!),
    out: node.outputs.map((t) => names.get(t)!),
    cachesInPlace,
  });
}
