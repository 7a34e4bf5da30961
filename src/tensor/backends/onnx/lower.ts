/**
 * Lowers a graph to an ONNX model: one total table from our ops to ONNX nodes (operator set 24 and ONNX Runtime's own
 * `com.microsoft`). Knows what ONNX ops mean and which are fast on the CPU provider; not how the model is run or where
 * values are stored.
 *
 * The drivers switch off ONNX Runtime's graph optimizer. So what is written here is what runs, and
 * the in-place analysis (`aliasing.ts`) can reason about single kernels.
 */
import { BackendError } from "../../../errors.ts";
import type { Graph, Node, Tensor } from "../../graph.ts";
import { type OpName, sameShape, type Shape, sizeOf } from "../../ops.ts";
import { attention, groupQuery, rotary, scatterAttend, type Site } from "./attention.ts";
import { findFusions } from "./fusion.ts";
import type { RowBlocks } from "./blocked.ts";
import { gatherRowsQuantized, matmulQuantized } from "./quantized.ts";
import { Emitter, MS, NCHWC } from "./emitter.ts";
import { encodeModel, type OnnxNode, type OnnxTensor, onnxType } from "./protobuf.ts";

/** A cache that an ONNX kernel can only update in place: `output` must start as a copy of `input`. */
export interface InPlacePair {
  readonly input: string;
  readonly output: string;
}

/** A graph input whose values an ONNX kernel does not check. A value out of range would make it write out of bounds. */
export interface InputLimit {
  readonly name: string;
  readonly least: number;
  readonly most: number;
}

export interface OnnxModel {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The nodes in `bytes`, in a valid order of execution. */
  readonly nodes: readonly OnnxNode[];
  /** Constants that `bytes` declares but does not contain. */
  readonly external: readonly ExternalConstant[];
  /** Names in the model, in the order of the graph's maps, and the shapes that inputs have there. */
  readonly inputNames: readonly string[];
  readonly inputDims: readonly Shape[];
  readonly outputNames: readonly string[];
  /** By graph names. The driver must bind both ends of each pair to the output's memory. */
  readonly inPlace: readonly InPlacePair[];
  /** The driver must check these before every run. */
  readonly limits: readonly InputLimit[];
}

type Lowering<K extends OpName> = (e: Emitter, site: Site<K>) => void;

const plain =
  (opType: string): Lowering<OpName> =>
  (e, s) =>
    elementwise(e, s, (inputs, out) => e.add(opType, inputs, [out]));

/** Writes an element-wise node, on values of another shape if that leaves out a reshape before and behind it. */
function elementwise(
  e: Emitter,
  { node, in: inputs, out, isResult }: Site<OpName>,
  add: (inputs: readonly string[], out: string) => void,
): void {
  const { shape } = node.outputs[0]!;
  const isPlain = node.inputs.every((t) => sameShape(t.shape, shape));
  // What a graph returns is best written by the node itself: it can then share the memory of an input.
  const roots = isPlain && !isResult ? e.sameRoots(inputs, shape) : undefined;
  if (roots === undefined) return add(inputs, out[0]!);
  const y = e.temp();
  add(roots, y);
  e.declare(y, e.shapeOf(roots[0]!)!);
  e.reshape(y, shape, out[0]);
}

function reduce<K extends "reduceSum" | "reduceMean">(opType: string): Lowering<K> {
  return (e, s) => e.add(opType, [s.in[0]!, e.ints(s.node.attrs.axes)], s.out, { keepdims: 1n });
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
  silu: (e, s) =>
    elementwise(e, s, (inputs, out) => e.addMs("QuickGelu", inputs, [out], { alpha: 1 })),
  erf: plain("Erf"),
  gelu: (e, s) =>
    elementwise(e, s, (inputs, out) =>
      e.add("Gelu", inputs, [out], { approximate: s.node.attrs.approximate }),
    ),
  signedSqrt: (e, s) => {
    // With r = 1/x, clamped to 1/least in magnitude, the result is sqrt(|r|) / r. It keeps the sign, also that of -0.
    const most = 1 / s.node.attrs.least;
    const bounds = [-most, most].map((bound) => e.constant("f32", [], [bound]));
    const r = e.via("Clip", [e.via("Reciprocal", [s.in[0]!]), ...bounds]);
    e.add("Div", [e.via("Sqrt", [e.via("Abs", [r])]), r], s.out);
  },
  less: plain("Less"),
  equal: plain("Equal"),
  and: plain("And"),
  or: plain("Or"),
  where: plain("Where"),
  cast: (e, s) => e.add("Cast", s.in, s.out, { to: BigInt(onnxType[s.node.attrs.to]) }),
  reshape: (e, s) => {
    if (s.blocks !== undefined) return s.blocks.kernels.rows(e, s);
    e.reshape(s.in[0]!, s.node.attrs.shape, s.out[0]!);
  },
  transpose: (e, s) => {
    const { shape } = s.node.inputs[0]!;
    e.transpose(s.in[0]!, { shape, perm: s.node.attrs.perm }, s.out[0]!);
  },
  slice: (e, s) => {
    const { axis, start, end } = s.node.attrs;
    e.add("Slice", [s.in[0]!, e.ints([start]), e.ints([end]), e.ints([axis])], s.out);
  },
  pad: (e, s) => {
    const { axis, before, after } = s.node.attrs;
    e.add(
      "Pad",
      [s.in[0]!, e.ints([before, after]), e.constant("f32", [], [0]), e.ints([axis])],
      s.out,
    );
  },
  concat: (e, s) => e.add("Concat", s.in, s.out, { axis: BigInt(s.node.attrs.axis) }),
  split: (e, s) => {
    const { axis, parts } = s.node.attrs;
    e.add("Split", [s.in[0]!], s.out, { axis: BigInt(axis), num_outputs: BigInt(parts) });
  },
  broadcastTo: (e, s) => e.add("Expand", [s.in[0]!, e.ints(s.node.attrs.shape)], s.out),
  reduceSum: reduce("ReduceSum"),
  reduceMean: reduce("ReduceMean"),
  matmul: (e, s) => {
    const { transA, transB } = s.node.attrs;
    const attributes = { transA: flag(transA), transB: flag(transB) };
    const { shape } = s.node.inputs[0]!;
    const kernels = s.blocks?.kernels;
    if (kernels?.isProduct(s) === true) kernels.product(e, s);
    else if (shape.length !== 2) e.addMs("FusedMatMul", s.in, s.out, attributes);
    else if (transA && !transB) columnProduct(e, s);
    else if (transA) e.add("Gemm", s.in, s.out, attributes);
    else {
      const [x, weight] = s.in as [string, string];
      const [out] = s.node.outputs as [Tensor];
      const widths = [shape[1]!, out.shape[1]!] as const;
      const y = e.onRows(x, widths, (rows) => e.viaMs("FusedMatMul", [rows, weight], attributes));
      e.reshape(y, out.shape, s.out[0]);
    }
  },
  gatherRows: (e, s) =>
    s.blocks === undefined
      ? e.add("Gather", s.in, s.out, { axis: 0n })
      : s.blocks.kernels.gather(e, s),
  matmulQuantized,
  gatherRowsQuantized,
  scatterAddRows: (e, s) => {
    const rows = s.node.inputs[1]!.shape;
    const [n, d] = [sizeOf(rows.slice(0, -1)), rows.at(-1)!];
    const column = e.reshape(s.in[0]!, [n, 1]);
    const ids = e.via("Expand", [column, e.ints([n, d])]);
    const updates = e.reshape(s.in[1]!, [n, d]);
    const zero = e.via("ConstantOfShape", [e.ints([s.node.attrs.numRows, d])]);
    e.add("ScatterElements", [zero, ids, updates], s.out, { axis: 0n, reduction: "add" });
  },
  softmax: (e, s) => e.add("Softmax", s.in, s.out, { axis: -1n }),
  rmsNorm: (e, s) => {
    if (s.isStreamNorm) return addAndNorm(e, s, "SkipSimplifiedLayerNormalization");
    const [x, gain] = s.in as [string, string];
    const { shape } = s.node.inputs[0]!;
    // The kernel broadcasts a gain of shape [1,D] to a value with two or more axes, so no reshape is needed.
    const flat = shape.length > 1 ? e.shapedAs(gain, [1, shape.at(-1)!]) : gain;
    e.add("SimplifiedLayerNormalization", [x, flat], s.out, {
      axis: -1n,
      epsilon: s.node.attrs.eps,
    });
  },
  layerNorm: (e, s) => {
    if (s.isStreamNorm) return addAndNorm(e, s, "SkipLayerNormalization");
    e.add("LayerNormalization", s.in, s.out, { axis: -1n, epsilon: s.node.attrs.eps });
  },
  rotary,
  attention,
  cachedAttention: (e, s) => (s.cachesInPlace ? groupQuery(e, s) : scatterAttend(e, s)),
  crossEntropy: (e, s) => entropy(e, { logits: s.in[0]!, labels: s.in[1]!, site: s }),
  linearCrossEntropy: (e, s) => {
    const [hidden, weight, labels] = s.in as [string, string, string];
    entropy(e, { logits: e.via("Gemm", [hidden, weight], { transB: 1n }), labels, site: s });
  },
  subtractOneHot: (e, s) => {
    const n = s.node.inputs[0]!.shape[0]!;
    const column = e.reshape(s.in[1]!, [n, 1]);
    const ones = e.initializer(e.temp(), "f32", [n, 1], new Float32Array(n).fill(-1));
    e.add("ScatterElements", [s.in[0]!, column, ones], s.out, { axis: 1n, reduction: "add" });
  },
};

/** A norm with the sum before it, or with a sum with zero (`fusion.ts`). */
function addAndNorm(e: Emitter, s: Site<"rmsNorm" | "layerNorm">, opType: string): void {
  const [x, ...weights] = s.in as [string, ...string[]];
  const epsilon = s.node.attrs.eps;
  if (s.sum !== undefined) {
    const out = [s.out[0]!, "", "", s.sum.out];
    return e.addMs(opType, [...s.sum.in, ...weights], out, { epsilon });
  }
  const { shape } = s.node.outputs[0]!;
  const [rows, width] = [sizeOf(shape.slice(0, -1)), shape.at(-1)!];
  const zero = e.constant("f32", [1, 1, width], Array<number>(width).fill(0));
  const y = e.viaMs(opType, [e.reshape(x, [rows, 1, width]), zero, ...weights], { epsilon });
  e.declare(y, [rows, 1, width]);
  e.reshape(y, shape, s.out[0]);
}

function entropy(
  e: Emitter,
  {
    logits,
    labels,
    site,
  }: { logits: string; labels: string; site: Site<"crossEntropy" | "linearCrossEntropy"> },
): void {
  const [loss, probs] = site.out as [string, string];
  const n = site.node.outputs[0]!.shape[0]!;
  e.add("Softmax", [logits], [probs], { axis: -1n });
  // loss = max - logit[label] + log(sum), and the greatest probability is 1 / sum. Exact even for very unlikely labels,
  // and much cheaper than LogSoftmax: two maxima instead of one more full pass that writes.
  const column = e.reshape(labels, [n, 1]);
  const picked = e.via("GatherElements", [logits, column], { axis: 1n });
  const axis = e.ints([1]);
  const behind = e.via("Sub", [e.via("ReduceMax", [logits, axis]), picked]);
  const total = e.via("Log", [e.via("ReduceMax", [probs, axis])]);
  e.reshape(e.via("Sub", [behind, total]), [n], loss);
}

/** Products smaller than this on any side are not worth a transpose. */
const MIN_SIDE = 64;

/**
 * A^T B, the form of every weight gradient. Gemm reads a transposed A 20 to 30 % slower than its other forms, so the
 * smaller operand is transposed first. If that is B, the product is (B^T A)^T.
 */
function columnProduct(e: Emitter, s: Site<"matmul">): void {
  const [a, b] = s.in as [string, string];
  const [k, m] = s.node.inputs[0]!.shape as [number, number];
  const n = s.node.inputs[1]!.shape[1]!;
  const perm = [1, 0];
  if (Math.min(k, m, n) < MIN_SIDE) e.add("Gemm", [a, b], s.out, { transA: 1n });
  else if (m <= n) e.add("Gemm", [e.transpose(a, { shape: [k, m], perm }), b], s.out);
  else {
    const turned = e.via("Gemm", [e.transpose(b, { shape: [k, n], perm }), a]);
    e.transpose(turned, { shape: [n, m], perm }, s.out[0]!);
  }
}

/** What GroupQueryAttention needs to update both caches of a node in place; undefined if it may not. */
interface CacheClaim {
  readonly pairs: readonly InPlacePair[];
  readonly limit: InputLimit;
}

/** `numUses` says how often nodes read a tensor. */
function claimCaches(
  graph: Graph,
  node: Node,
  numUses: ReadonlyMap<Tensor, number>,
): CacheClaim | undefined {
  if (node.op !== "cachedAttention") return undefined;
  const [b, , t, d] = node.inputs[0]!.shape as [number, number, number, number];
  // The kernel refuses several rows of several tokens after earlier ones, and head widths that are no multiple of 8.
  if ((b > 1 && t > 1) || d % 8 !== 0) return undefined;
  const inputOf = (x: Tensor): string | undefined =>
    [...graph.inputs].find(([, y]) => y === x)?.[0];
  const pairs: InPlacePair[] = [];
  for (const i of [0, 1]) {
    const [before, after] = [node.inputs[3 + i]!, node.outputs[1 + i]!];
    const input = inputOf(before);
    const output = [...graph.outputs].find(([, x]) => x === after)?.[0];
    const isOutput = [...graph.outputs.values()].includes(before);
    if (input === undefined || output === undefined || isOutput) return undefined;
    if (numUses.get(before) !== 1) return undefined;
    pairs.push({ input, output });
  }
  const name = inputOf(node.inputs[5]!);
  const most = node.inputs[3]!.shape[2]! - t;
  return name === undefined ? undefined : { pairs, limit: { name, least: 0, most } };
}

/** Rows that are asked for are there: kernels that do not check it answer with others. */
function rowLimit(graph: Graph, { op, inputs }: Node): InputLimit | undefined {
  if (op !== "gatherRows" && op !== "gatherRowsQuantized") return undefined;
  const [ids, table] = op === "gatherRows" ? [inputs[1], inputs[0]] : [inputs[0], inputs[1]];
  const name = [...graph.inputs].find(([, t]) => t === ids)?.[0];
  return name === undefined ? undefined : { name, least: 0, most: table!.shape[0]! - 1 };
}

/** A constant that is passed separately from the model: its name in the model, and where its bytes are. */
export interface ExternalConstant {
  readonly name: string;
  readonly type: number;
  readonly dims: readonly number[];
  readonly raw: Uint8Array;
}

export interface LowerOptions {
  /** "external" if the driver passes `OnnxModel.external`. Then large constants are never copied. */
  readonly constants?: "inline" | "external";
  /** "in place" if the driver honours `OnnxModel.inPlace` and `limits`. Fast decoding needs this. */
  readonly caches: "in place" | "separate";
  /** The blocks of rows that kernels read, where there are such kernels. */
  readonly rowBlocks?: RowBlocks | undefined;
  readonly adapt?: Adapt | undefined;
}

/** Writes nodes otherwise, where what runs them has not the kernels of the CPU provider, or not their checks of row ids. */
export type Adapt = (nodes: readonly OnnxNode[], e: Emitter) => readonly OnnxNode[];

/** Constants of at least this many bytes are external: a copy in every compiled graph would cost too much. */
const SMALLEST_EXTERNAL = 4096;

/** The graph as an ONNX model; `BackendError` if it is too large for one. */
export function lower(
  graph: Graph,
  { caches, constants = "inline", rowBlocks, adapt }: LowerOptions,
): OnnxModel {
  const e = new Emitter({ externalFrom: constants === "external" ? SMALLEST_EXTERNAL : Infinity });
  const names = new Map<Tensor, string>();
  for (const [name, t] of graph.inputs) names.set(t, `i:${name}`);
  for (const [t, data] of graph.constants)
    names.set(t, e.initializer(`c${t.id}`, t.dtype, t.shape, data));
  const copies: [Tensor, string][] = [];
  for (const [name, t] of graph.outputs)
    if (names.has(t)) copies.push([t, `o:${name}`]);
    else names.set(t, `o:${name}`);
  const claims: CacheClaim[] = [];
  for (const node of graph.nodes)
    for (const t of node.outputs) if (!names.has(t)) names.set(t, `t${t.id}`);
  const results = new Set(graph.outputs.values());
  const fusions = findFusions(graph, rowBlocks?.size);
  // A kernel takes the blocks as the filters of a convolution.
  const filters = new Map([...fusions.blocked].map(([rows, t]) => [t, [...rows.shape, 1, 1]]));
  const shapeOf = (t: Tensor): Shape => filters.get(t) ?? t.shape;
  for (const [t, name] of names) e.declare(name, shapeOf(t));
  const numUses = new Map<Tensor, number>();
  for (const t of graph.nodes.flatMap((node) => node.inputs))
    numUses.set(t, (numUses.get(t) ?? 0) + 1);
  const nameOf = (t: Tensor): string => e.shapedAs(names.get(t)!, t.shape);
  for (const node of graph.nodes) {
    if (fusions.covered.has(node)) continue;
    const sum = fusions.sums.get(node);
    const products = fusions.products.get(node);
    const claim = caches === "in place" ? claimCaches(graph, node, numUses) : undefined;
    if (claim !== undefined) claims.push(claim);
    const blocks = [...node.inputs, ...node.outputs]
      .map((t) => fusions.blocked.get(t))
      .find(Boolean);
    const outputs = (products ?? [node]).flatMap((one) => one.outputs);
    write(e, node, {
      in: node.inputs.map(nameOf),
      out: outputs.map((t) => names.get(t)!),
      cachesInPlace: claim !== undefined,
      isResult: outputs.some((t) => results.has(t)),
      blocks: blocks && {
        name: names.get(blocks)!,
        size: blocks.shape[2]!,
        kernels: rowBlocks!.kernels,
      },
      isUnpacked: fusions.unpacked.has(node),
      isStreamNorm: fusions.sums.has(node),
      sum: sum && { in: sum.inputs.map(nameOf), out: names.get(sum.outputs[0]!)! },
      joined: products && {
        shapes: outputs.map(({ shape }) => shape),
        first: node.inputs.slice(1).map((t) => graph.constants.get(t)!),
      },
    });
  }
  for (const [t, name] of copies) e.add("Identity", [names.get(t)!], [name]);
  const typed = (prefix: string, of: ReadonlyMap<string, Tensor>): OnnxTensor[] =>
    [...of].map(([name, t]) => {
      return { name: prefix + name, type: onnxType[t.dtype], dims: shapeOf(t) };
    });
  const inputs = typed("i:", graph.inputs);
  const outputs = typed("o:", graph.outputs);
  const needed = e.nodesFor(outputs.map((t) => t.name));
  const nodes = adapt?.(needed, e) ?? needed;
  const limits = claims.map((c) => c.limit);
  if (adapt !== undefined) limits.push(...graph.nodes.flatMap((n) => rowLimit(graph, n) ?? []));
  const used = new Set(nodes.flatMap((node) => node.inputs));
  const initializers = e.initializers.filter(({ name }) => used.has(name));
  const external = initializers.filter((t) => t.isExternal === true);
  const size = initializers.reduce((n, t) => n + (t.isExternal === true ? 0 : t.raw.length), 0);
  if (size > 1.9 * 2 ** 30)
    throw new BackendError(
      `graph constants take ${size} bytes, an ONNX model holds 2 GiB: pass them as inputs`,
    );
  return {
    bytes: encodeModel(
      { nodes, initializers, inputs, outputs },
      {
        "": 24,
        [MS]: 1,
        ...(filters.size > 0 && { [NCHWC]: 1 }),
      },
    ),
    nodes,
    external,
    inputNames: inputs.map((t) => t.name),
    inputDims: [...graph.inputs.values()].map(shapeOf),
    outputNames: outputs.map((t) => t.name),
    inPlace: claims.flatMap((c) => c.pairs),
    limits,
  };
}

function write<K extends OpName>(e: Emitter, node: Node<K>, site: Omit<Site<K>, "node">): void {
  const lowering: Lowering<K> = lowerings[node.op];
  lowering(e, { node, ...site });
}
