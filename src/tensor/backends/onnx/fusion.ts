/**
 * Finds operations of a graph that one kernel can do together. Only where that changes no more than the rounding of a
 * result. Knows the graph; not how nodes are written.
 *
 * - A sum and the norm that reads it first: ONNX Runtime adds and normalises in one pass. That kernel rounds otherwise
 *   than a norm alone. So that a stream to which zero is added, or that is cut in two, leads to the same bits, a norm of
 *   a stream without such a sum adds zero.
 * - Products of one x by packed matrices that lie one behind the other in memory: they are one larger matrix. Nobody
 *   has to say so: who loads weights puts matrices that read the same x beside each other (`joinWeights`).
 * - Rows out of blocks of rows (`Backend.rowBlock`): products and look-ups read the blocks themselves (`blocked.ts`).
 */
import type { Graph, Node, Tensor } from "../../graph.ts";
import { sameShape } from "../../ops.ts";
import { paysUnpacked } from "./quantized.ts";

export interface Fusions {
  /** Norms of a stream without a gradient, each with the sum that is written with it; without one, zero is added. */
  readonly sums: ReadonlyMap<Node, Node | undefined>;
  /** Products that are one, two or more, by the first of them; in the order of their rows. */
  readonly products: ReadonlyMap<Node, readonly Node<"matmulQuantized">[]>;
  /** Matrices [M,K] that are inputs [M/b,K,b] turned back, by the tensor of their rows. */
  readonly blocked: ReadonlyMap<Tensor, Tensor>;
  /** Products that unpack their matrix first (`quantized.ts`). They stay apart. */
  readonly unpacked: ReadonlySet<Node>;
  /** Nodes that are written with another one. */
  readonly covered: ReadonlySet<Node | undefined>;
}

export function findFusions(
  { nodes, inputs, outputs, constants }: Graph,
  rowBlock?: number,
): Fusions {
  const producers = new Map<Tensor, Node>();
  const readers = new Map<Tensor, Node[]>();
  for (const node of nodes) {
    for (const t of node.outputs) producers.set(t, node);
    for (const t of node.inputs) readers.set(t, [...(readers.get(t) ?? []), node]);
  }
  const results = new Set(outputs.values());
  const sums = new Map<Node, Node | undefined>();
  const products = new Map<Node, Node<"matmulQuantized">[]>();
  const covered = new Set<Node | undefined>();
  const blocked = new Map<Tensor, Tensor>();
  const given = new Set(inputs.values());
  const unpacked = new Set<Node>();
  // A certificate of packed weights shall hold for decoding, which rounds activations. So does scoring, in batches of any size.
  const isScored = nodes.some(({ op }) => op === "crossEntropy");

  /** Whether the matrix of `next` lies behind that of `node`, in the same form. */
  const follows = (node: Node<"matmulQuantized">, next: Node<"matmulQuantized">): boolean =>
    node.attrs.bits === next.attrs.bits &&
    node.inputs.length === next.inputs.length &&
    node.inputs.slice(1).every((t, i) => {
      const [one, other] = [constants.get(t), constants.get(next.inputs[i + 1]!)];
      return (
        one !== undefined &&
        one.buffer === other?.buffer &&
        one.byteOffset + one.byteLength === other.byteOffset
      );
    });

  for (const node of nodes) {
    const [x, ...weights] = node.inputs as [Tensor, ...Tensor[]];
    if (node.op === "reshape") {
      const turn = producers.get(x) as Node<"transpose"> | undefined;
      if (turn?.op !== "transpose" || readers.get(x)!.length > 1 || results.has(x)) continue;
      const [blocks] = turn.inputs as [Tensor];
      // Who reads the blocks elsewhere needs them in their own shape.
      if (!given.has(blocks) || readers.get(blocks)!.length > 1 || results.has(blocks)) continue;
      if (!isRowsOf(node.outputs[0]!, { blocks, perm: turn.attrs.perm, rowBlock })) continue;
      blocked.set(node.outputs[0]!, blocks);
      covered.add(turn);
    }
    if (node.op === "matmulQuantized" && !covered.has(node)) {
      const run = [node as Node<"matmulQuantized">];
      if (!isScored && paysUnpacked(run[0]!)) {
        unpacked.add(node);
        continue;
      }
      const all = readers.get(x)!;
      for (const next of all.slice(all.indexOf(node) + 1))
        if (next.op === node.op && follows(run.at(-1)!, next as Node<"matmulQuantized">))
          run.push(next as Node<"matmulQuantized">);
      if (run.length === 1) continue;
      products.set(node, run);
      for (const next of run.slice(1)) covered.add(next);
    }
    if (node.op !== "rmsNorm" && node.op !== "layerNorm") continue;
    // The kernel returns no statistics. Norms of single heads have four axes, and those of a memory's gate computed gains.
    const isKept = node.outputs.some((t, i) => i > 0 && (readers.has(t) || results.has(t)));
    if (isKept || x.shape.length !== 3 || weights.some((t) => producers.has(t))) continue;
    const sum = producers.get(x);
    // The sum is written where the norm stands, so nobody may read it before.
    const isFirst = sum?.op === "add" && readers.get(x)![0] === node;
    const isFused = isFirst && sum.inputs.every((t) => sameShape(t.shape, x.shape));
    sums.set(node, isFused ? sum : undefined);
    if (isFused) covered.add(sum);
  }
  return { sums, products, blocked, unpacked, covered };
}

/** Whether `rows` [M,K] are those of `blocks` [M/b,K,b], in blocks that kernels read. */
function isRowsOf(
  rows: Tensor,
  {
    blocks,
    perm,
    rowBlock,
  }: { blocks: Tensor; perm: readonly number[]; rowBlock: number | undefined },
): boolean {
  const [count, width, block] = blocks.shape;
  if (rowBlock === undefined || block !== rowBlock || width! % block !== 0) return false;
  return perm.join() === "0,2,1" && sameShape(rows.shape, [count! * block, width!]);
}
