/**
 * Which outputs may be written straight into memory that the same run still reads. An output bound
 * to an input's memory is written the moment its node runs; that is right only if nothing reads the
 * input afterwards and the node itself reads each element before it writes it. Where that is not
 * certain the output is named here and the driver gives it memory of its own, copied at the end.
 * Knows graphs and byte ranges, not kernels' code.
 */
import { BackendError } from "../../../errors.ts";
import type { Values } from "../../backend.ts";
import type { Graph, Node, Tensor, TensorData } from "../../graph.ts";
import { type OpName, sameShape } from "../../ops.ts";
import type { InPlacePair } from "./lower.ts";

/**
 * Ops lowered to one kernel that reads element i of a full-size operand for the last time before or
 * while it writes element i. Tested one by one in `node/c-api-backend.test.ts`.
 */
const elementWise: ReadonlySet<OpName> = new Set<OpName>([
  "add",
  "sub",
  "mul",
  "div",
  "maximum",
  "neg",
  "abs",
  "exp",
  "log",
  "sqrt",
  "reciprocal",
]);

export interface BoundMemory {
  readonly inputs: Values;
  readonly outputs: Values;
  readonly inPlace: readonly InPlacePair[];
}

type Overlap = "none" | "same" | "partial";

function overlap(a: TensorData, b: TensorData): Overlap {
  if (a.buffer !== b.buffer || a.byteLength === 0 || b.byteLength === 0) return "none";
  if (a.byteOffset === b.byteOffset && a.byteLength === b.byteLength) return "same";
  const apart =
    a.byteOffset + a.byteLength <= b.byteOffset || b.byteOffset + b.byteLength <= a.byteOffset;
  return apart ? "none" : "partial";
}

/** Names of outputs that need memory of their own. Outputs that overlap each other are refused. */
export function unsafeOutputs(graph: Graph, memory: BoundMemory): ReadonlySet<string> {
  const { inputs, outputs, inPlace } = memory;
  refuseOverlappingOutputs(outputs);
  const unsafe = new Set<string>();
  for (const [name, target] of graph.outputs)
    for (const [from, source] of graph.inputs) {
      const kind = overlap(inputs[from]!.data, outputs[name]!.data);
      if (kind === "none") continue;
      if (kind === "same" && inPlace.some((p) => p.input === from && p.output === name)) continue;
      if (kind === "partial" || !writesAfterLastRead(graph, { source, target })) unsafe.add(name);
    }
  return unsafe;
}

function refuseOverlappingOutputs(outputs: Values): void {
  const byBuffer = new Map<ArrayBufferLike, [string, TensorData][]>();
  for (const [name, { data }] of Object.entries(outputs)) {
    const others = byBuffer.get(data.buffer) ?? [];
    for (const [other, theirs] of others)
      if (overlap(data, theirs) !== "none")
        throw new BackendError(
          `outputs "${other}" and "${name}" are bound to overlapping memory: give each its own`,
        );
    byBuffer.set(data.buffer, [...others, [name, data]]);
  }
}

/** Whether `target` may be written where `source` lies. */
function writesAfterLastRead(
  graph: Graph,
  { source, target }: { source: Tensor; target: Tensor },
): boolean {
  if (source === target) return true;
  const writer = graph.nodes.find((n) => n.outputs.includes(target));
  const isOutput = [...graph.outputs.values()].includes(source);
  if (writer === undefined || isOutput) return false;
  if (writer.inputs.includes(source)) {
    if (!elementWise.has(writer.op) || !sameShape(source.shape, target.shape)) return false;
  }
  const before = ancestors(graph, writer);
  return graph.nodes.every((n) => n === writer || !n.inputs.includes(source) || before.has(n));
}

/** Every node that must have run before `node`, whatever the order of the rest. */
function ancestors(graph: Graph, node: Node): ReadonlySet<Node> {
  const found = new Set<Node>();
  const wanted = new Set<Tensor>(node.inputs);
  for (const n of graph.nodes.toReversed())
    if (n !== node && n.outputs.some((t) => wanted.has(t))) {
      found.add(n);
      for (const t of n.inputs) wanted.add(t);
    }
  return found;
}
