/**
 * Decides which outputs may be written directly into memory that the same run also reads. An output bound to an
 * input's memory is written when its kernel runs. This is correct only if no kernel reads the input afterwards, and if
 * the writing kernel reads each element before it writes it. Where this is not certain, the output is named here; the
 * driver then writes it to memory of its own and copies it at the end.
 *
 * Works on the nodes of the lowered model. Each node is one kernel, one of our ops may be several kernels, and ONNX
 * Runtime may run kernels in any order that their operands allow. Knows nothing of what they compute.
 */
import { BackendError } from "../../../errors.ts";
import type { InPlacePair } from "./lower.ts";
import type { OnnxNode } from "./protobuf.ts";

/**
 * Kernels that never read element i of an operand of the output's size after they have written element i. Each is
 * tested in `node/aliasing.test.ts`. Others happen to work (Softmax, QuickGelu) but guarantee nothing, and our graphs
 * do not need them.
 */
export const elementWiseKernels: ReadonlySet<string> = new Set([
  "Abs",
  "Add",
  "Div",
  "Exp",
  "Identity",
  "Log",
  "Max",
  "Mul",
  "Neg",
  "Reciprocal",
  "Sigmoid",
  "Sqrt",
  "Sub",
]);

/** Kernels whose output ONNX Runtime may place in their first operand's memory without a copy. */
const viewKernels: ReadonlySet<string> = new Set(["Reshape", "Identity"]);

/** A range of addresses, [start, end); empty if equal. */
export interface Span {
  readonly start: bigint;
  readonly end: bigint;
}

/** Memory of one graph input or output, with its names in the graph and in the model. */
export interface BoundSpan {
  readonly key: string;
  readonly name: string;
  readonly span: Span;
}

export interface BoundMemory {
  readonly inputs: readonly BoundSpan[];
  readonly outputs: readonly BoundSpan[];
  readonly inPlace: readonly InPlacePair[];
}

function overlap(a: Span, b: Span): boolean {
  return a.start < b.end && b.start < a.end;
}

function same(a: Span, b: Span): boolean {
  return a.start === b.start && a.end === b.end;
}

/** Graph names of outputs that need memory of their own. Outputs that overlap are refused. */
export function unsafeOutputs(
  nodes: readonly OnnxNode[],
  { inputs, outputs, inPlace }: BoundMemory,
): ReadonlySet<string> {
  refuseOverlaps(outputs);
  const unsafe = new Set<string>();
  for (const to of outputs)
    for (const from of inputs) {
      if (!overlap(from.span, to.span)) continue;
      const paired = inPlace.some((p) => p.input === from.key && p.output === to.key);
      const safe =
        same(from.span, to.span) && (paired || writesAfterLastRead(nodes, from.name, to.name));
      if (!safe) unsafe.add(to.key);
    }
  return unsafe;
}

function refuseOverlaps(outputs: readonly BoundSpan[]): void {
  const sorted = outputs
    .filter(({ span }) => span.end > span.start)
    .toSorted((a, b) => (a.span.start < b.span.start ? -1 : 1));
  for (let i = 1; i < sorted.length; i++) {
    const [a, b] = [sorted[i - 1]!, sorted[i]!];
    if (overlap(a.span, b.span))
      throw new BackendError(
        `outputs "${a.key}" and "${b.key}" are bound to overlapping memory: give each its own`,
      );
  }
}

/** Whether the model's output `target` may be written to the memory of its input `source`. */
function writesAfterLastRead(nodes: readonly OnnxNode[], source: string, target: string): boolean {
  const writer = nodes.find((n) => n.outputs.includes(target));
  if (writer === undefined) return false;
  const views = viewsOf(nodes, source);
  const reads = (n: OnnxNode): boolean => n.inputs.some((name) => views.has(name));
  if (reads(writer) && !(writer.domain === "" && elementWiseKernels.has(writer.opType)))
    return false;
  const before = ancestors(nodes, writer);
  return nodes.every((n) => n === writer || !reads(n) || before.has(n));
}

/** Names whose values may be stored in the memory of `source`. */
function viewsOf(nodes: readonly OnnxNode[], source: string): ReadonlySet<string> {
  const views = new Set([source]);
  for (const n of nodes)
    if (viewKernels.has(n.opType) && views.has(n.inputs[0]!)) views.add(n.outputs[0]!);
  return views;
}

/** Every node that runs before `node` in any order. */
function ancestors(nodes: readonly OnnxNode[], node: OnnxNode): ReadonlySet<OnnxNode> {
  const found = new Set<OnnxNode>();
  const wanted = new Set(node.inputs);
  for (const n of nodes.toReversed())
    if (n !== node && n.outputs.some((name) => wanted.has(name))) {
      found.add(n);
      for (const name of n.inputs) wanted.add(name);
    }
  return found;
}
