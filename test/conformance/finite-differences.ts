/**
 * Holds `gradients` against finite differences of the same graph, both evaluated in double precision
 * by the reference. Knows no rule.
 */
import {
  type CellData,
  evaluateGraph,
  type Graph,
  GraphBuilder,
  gradients,
  type Tensor,
  type TensorData,
  type Value,
} from "../../src/tensor/index.ts";
import { toBeClose } from "./close.ts";
import { draw } from "./random.ts";

export interface Differentiable {
  readonly g: GraphBuilder;
  readonly inputs: Readonly<Record<string, Value>>;
  /** Graph inputs to differentiate by, under their names. */
  readonly params: ReadonlyMap<string, Tensor>;
  /** The sum of its elements is differentiated. */
  readonly loss: Tensor;
}

type Numbers = Record<string, TensorData | CellData>;

/** Up to this many elements each is moved alone; larger tensors are moved along random directions. */
const fewElements = 64;
const numDirections = 3;

/** With the five-point rule the error of a smooth function is step^4 f'''''/30: about 1e-14 here. */
const step = 1e-3;

/** Throws naming the parameter, the element and both numbers where a gradient is wrong. */
export function checkGradients(
  { g, inputs, params, loss }: Differentiable,
  { atol = 1e-9 }: { atol?: number } = {},
): void {
  const names = [...params.keys()];
  const found = gradients(g, loss, [...params.values()]);
  const graph = g.build(Object.fromEntries(names.map((name, i) => [name, found[i]!])));
  const lossGraph = g.build({ loss });
  const numbers: Numbers = {};
  for (const [name, { data }] of Object.entries(inputs)) numbers[name] = data;
  const exact = evaluateGraph(graph, numbers);
  for (const name of names) {
    const at = Float64Array.from(numbers[name]!);
    const gradient = exact[name]!;
    const few = at.length <= fewElements;
    const directions = few ? units(at.length) : randomDirections(at.length);
    const slopes = directions.map((direction) =>
      slope(lossGraph, numbers, { name, at, direction }),
    );
    const along = directions.map((direction) =>
      direction.reduce((sum, x, i) => sum + x * gradient[i]!, 0),
    );
    // f32 constants inside a rule (1/3, say) limit what can be asked for to about 1e-7.
    const magnitude = slopes.reduce((most, s) => Math.max(most, Math.abs(s)), 0);
    toBeClose(along, slopes, {
      label: `gradient by "${name}"${few ? "" : " along random directions"}`,
      rtol: 1e-6,
      atol,
      magnitude,
    });
  }
}

function units(length: number): Float64Array[] {
  return Array.from({ length }, (_, i) => new Float64Array(length).with(i, 1));
}

function randomDirections(length: number): Float64Array[] {
  return Array.from({ length: numDirections }, (_, i) =>
    Float64Array.from(draw(i).normal([length], length ** -0.5).data),
  );
}

function slope(
  lossGraph: Graph,
  numbers: Numbers,
  { name, at, direction }: { name: string; at: Float64Array; direction: Float64Array },
): number {
  const lossAt = (distance: number): number => {
    const moved = at.map((x, i) => x + distance * direction[i]!);
    const { loss } = evaluateGraph(lossGraph, { ...numbers, [name]: moved });
    return (loss as Float64Array).reduce((sum, x) => sum + x, 0);
  };
  const near = lossAt(step) - lossAt(-step);
  const far = lossAt(2 * step) - lossAt(-2 * step);
  return (8 * near - far) / (12 * step);
}

/** Declares `values` as graph inputs a, b, c ... and differentiates by those that are f32. */
export function differentiable(
  values: readonly Value[],
  loss: (g: GraphBuilder, ...operands: Tensor[]) => Tensor,
  fixed: readonly number[] = [],
): Differentiable {
  const g = new GraphBuilder();
  const inputs: Record<string, Value> = {};
  const params = new Map<string, Tensor>();
  const operands = values.map((v, i) => {
    const name = String.fromCodePoint(97 + i);
    inputs[name] = v;
    const t = g.input(name, v.dtype, v.shape);
    if (v.dtype === "f32" && !fixed.includes(i)) params.set(name, t);
    return t;
  });
  return { g, inputs, params, loss: loss(g, ...operands) };
}

/** The sum of each output times random numbers, so that no two elements pull alike. */
export function weigh(g: GraphBuilder, outputs: readonly Tensor[]): Tensor {
  return outputs
    .map((t, i) => {
      const w = draw(100 + i).normal(t.shape);
      const product = g.mul(t, g.constant(w.data, w.shape));
      return t.shape.length === 0
        ? product
        : g.reshape(
            g.reduceSum(
              product,
              t.shape.map((_, a) => a),
            ),
            [],
          );
    })
    .reduce((sum, t) => g.add(sum, t));
}

export function gradientsOf({ g, inputs, params, loss }: Differentiable): Record<string, CellData> {
  const found = gradients(g, loss, [...params.values()]);
  const names = [...params.keys()];
  const graph = g.build(Object.fromEntries(names.map((name, i) => [name, found[i]!])));
  return evaluateGraph(
    graph,
    Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, v.data])),
  );
}

/** What `draw().halves` made, moved to where it ties with none of those. */
export function aQuarterMore(v: Value): Value {
  return { ...v, data: Float32Array.from(v.data, (x) => x + 0.25) };
}
