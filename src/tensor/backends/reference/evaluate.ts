/**
 * Evaluates a graph node by node, in double precision, with the simplest loops that define what each op means. The
 * other backends and the gradients are tested against this oracle. It is never optimised for speed and never removed.
 * Knows nothing of bindings or of where numbers come from.
 */
import { ShapeError } from "../../../errors.ts";
import type { Graph, Node, Tensor, TensorData } from "../../graph.ts";
import { formatType, type OpAttrs, type OpName, sizeOf } from "../../ops.ts";
import { type CellData, type Cells, cellDataFor, type Kernel, zeroCells } from "./cells.ts";
import * as elementwise from "./elementwise.ts";
import * as layout from "./layout.ts";
import * as neural from "./neural.ts";
import * as quantized from "./quantized.ts";

const kernels: { readonly [K in OpName]: Kernel<OpAttrs[K]> } = {
  add: elementwise.add,
  sub: elementwise.sub,
  mul: elementwise.mul,
  div: elementwise.div,
  maximum: elementwise.maximum,
  neg: elementwise.neg,
  abs: elementwise.abs,
  exp: elementwise.exp,
  log: elementwise.log,
  sqrt: elementwise.sqrt,
  reciprocal: elementwise.reciprocal,
  sigmoid: elementwise.sigmoid,
  silu: elementwise.silu,
  erf: elementwise.erf,
  gelu: elementwise.gelu,
  signedSqrt: elementwise.signedSqrt,
  less: elementwise.less,
  equal: elementwise.equal,
  and: elementwise.and,
  or: elementwise.or,
  where: elementwise.where,
  cast: elementwise.cast,
  reshape: layout.reshape,
  transpose: layout.transpose,
  slice: layout.slice,
  pad: layout.pad,
  concat: layout.concat,
  split: layout.split,
  broadcastTo: layout.broadcastTo,
  reduceSum: layout.reduceSum,
  reduceMean: layout.reduceMean,
  matmul: neural.matmul,
  gatherRows: layout.gatherRows,
  scatterAddRows: layout.scatterAddRows,
  softmax: neural.softmax,
  rmsNorm: neural.rmsNorm,
  layerNorm: neural.layerNorm,
  rotary: neural.rotary,
  attention: neural.attention,
  cachedAttention: neural.cachedAttention,
  matmulQuantized: quantized.matmulQuantized,
  gatherRowsQuantized: quantized.gatherRowsQuantized,
  crossEntropy: neural.crossEntropy,
  linearCrossEntropy: neural.linearCrossEntropy,
  subtractOneHot: neural.subtractOneHot,
};

/**
 * Values of all outputs. f32 inputs may be given as Float64Array, and f32 outputs are returned as Float64Array. Nothing
 * is rounded to single precision in between, which finite differences need.
 * The result shares no memory with the inputs. Throws `ShapeError` if an input is missing or does not fit.
 */
export function evaluateGraph(
  graph: Graph,
  inputs: Readonly<Record<string, TensorData | CellData>>,
): Record<string, CellData> {
  const known = new Map<Tensor, Cells>();
  for (const [name, t] of graph.inputs) {
    const data = inputs[name];
    if (data?.length !== sizeOf(t.shape))
      throw new ShapeError(
        `graph input "${name}": expected ${formatType(t)}, got ${data?.length ?? "no"} elements`,
      );
    known.set(t, copyOf(t, data));
  }
  for (const [t, data] of graph.constants) known.set(t, copyOf(t, data));
  for (const node of graph.nodes) evaluateNode(node, known);
  const results: Record<string, CellData> = {};
  for (const [name, t] of graph.outputs) results[name] = known.get(t)!.data;
  return results;
}

function copyOf(t: Tensor, data: TensorData | CellData): Cells {
  const copy = cellDataFor(t.dtype, data.length);
  copy.set(data);
  return { dtype: t.dtype, shape: t.shape, data: copy };
}

function evaluateNode<K extends OpName>(node: Node<K>, known: Map<Tensor, Cells>): void {
  const outputs = node.outputs.map(zeroCells);
  const kernel: Kernel<OpAttrs[K]> = kernels[node.op];
  kernel(
    node.inputs.map((t) => known.get(t)!),
    outputs,
    node.attrs,
  );
  node.outputs.forEach((t, i) => known.set(t, outputs[i]!));
}
