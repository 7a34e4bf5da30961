/**
 * Nodes as ONNX Runtime's WebGPU provider computes them (1.30). What has no kernel there would run on the processor,
 * with copies to it and back. The second output of a norm without a mean is not its inverse root. Caches that attention
 * returns hold nothing behind the positions in use. Knows nodes, and shapes where they are declared.
 */
import type { Emitter } from "../emitter.ts";
import type { OnnxNode } from "../protobuf.ts";

export function forWebGpu(nodes: readonly OnnxNode[], e: Emitter): readonly OnnxNode[] {
  const read = new Set(nodes.flatMap((node) => node.inputs));
  const isRead = (name: string): boolean => name.startsWith("o:") || read.has(name);
  const masks = new Map<string, string>();
  return nodes.flatMap((node) => {
    if (node.opType === "FusedMatMul") return product(node, e);
    if (node.opType === "GroupQueryAttention") return keepingCaches(node, e, masks);
    if (node.opType !== "SimplifiedLayerNormalization") return node;
    const [y, inverse] = node.outputs as [string, string?];
    const norm = { ...node, outputs: [y] };
    return inverse !== undefined && isRead(inverse)
      ? [norm, ...inverseRoot(node, inverse, e)]
      : norm;
  });
}

/** A x B, each of them turned if its flag says so, times a factor. A matrix that is turned has two axes, or as many as A. */
function product({ inputs, outputs, attributes }: OnnxNode, e: Emitter): OnnxNode[] {
  const [a, b] = inputs as [string, string];
  const [shape, matrix] = [e.shapeOf(a) ?? [0, 0], e.shapeOf(b) ?? [0, 0]];
  const isFlat = matrix.length === 2 && attributes["transA"] !== 1n;
  if (shape.length === 2) return [onnx("Gemm", [a, b], outputs, attributes)];
  if (isFlat) {
    const [rows, sums] = [e.temp(), e.temp()];
    return [
      onnx("Reshape", [a, e.ints([-1, shape.at(-1)!])], [rows]),
      onnx("Gemm", [rows, b], [sums], attributes),
      onnx("Reshape", [sums, e.ints([...shape.slice(0, -1), -1])], outputs),
    ];
  }
  const nodes: OnnxNode[] = [];
  const turned = (x: string, rank: number, flag: string): string => {
    if (attributes[flag] !== 1n) return x;
    const perm = [...Array(rank - 2).keys(), rank - 1, rank - 2].map(BigInt);
    const out = e.temp();
    nodes.push(onnx("Transpose", [x], [out], { perm }));
    return out;
  };
  const operands = [turned(a, shape.length, "transA"), turned(b, matrix.length, "transB")];
  const alpha = attributes["alpha"] as number | undefined;
  if (alpha === undefined) return [...nodes, onnx("MatMul", operands, outputs)];
  const sums = e.temp();
  const factor = e.constant("f32", [], [alpha]);
  return [...nodes, onnx("MatMul", operands, [sums]), onnx("Mul", [sums, factor], outputs)];
}

/** Attention whose caches keep what lies behind the last position. `masks` are of the positions before, by their node. */
function keepingCaches(node: OnnxNode, e: Emitter, masks: Map<string, string>): OnnxNode[] {
  const [, , , keys, values, last] = node.inputs as [string, string, string, ...string[]];
  const [out, newKeys, newValues] = node.outputs as [string, string, string];
  const before: OnnxNode[] = [];
  let mask = masks.get(last!);
  if (mask === undefined) {
    masks.set(last!, (mask = e.temp()));
    const capacity = e.shapeOf(keys!)![2]!;
    const places = e.constant("i32", [1, 1, capacity, 1], [...Array(capacity).keys()]);
    const ends = e.temp();
    before.push(onnx("Reshape", [last!, e.ints([-1, 1, 1, 1])], [ends]));
    before.push(onnx("LessOrEqual", [places, ends], [mask]));
  }
  const written = [e.temp(), e.temp()] as const;
  return [
    ...before,
    { ...node, outputs: [out, ...written] },
    onnx("Where", [mask, written[0], keys!], [newKeys]),
    onnx("Where", [mask, written[1], values!], [newValues]),
  ];
}

function inverseRoot({ inputs, attributes }: OnnxNode, out: string, e: Emitter): OnnxNode[] {
  const [x] = inputs as [string];
  const [squares, mean, sum, root] = [e.temp(), e.temp(), e.temp(), e.temp()];
  const epsilon = e.constant("f32", [], [attributes["epsilon"] as number]);
  return [
    onnx("Mul", [x, x], [squares]),
    onnx("ReduceMean", [squares, e.ints([-1])], [mean], { keepdims: 1n }),
    onnx("Add", [mean, epsilon], [sum]),
    onnx("Sqrt", [sum], [root]),
    onnx("Reciprocal", [root], [out]),
  ];
}

function onnx(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: OnnxNode["attributes"] = {},
): OnnxNode {
  return { opType, domain: "", inputs, outputs, attributes };
}
