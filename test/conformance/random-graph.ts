/**
 * Graphs out of lists of numbers, for property tests: any list gives a valid graph, and leaving out
 * numbers gives a smaller one, so that a failing list shrinks to a small graph. Ops are combined so
 * that values stay within a few units and every step is smooth (unless asked otherwise).
 */
import * as fc from "fast-check";

import {
  broadcastShapes,
  GraphBuilder,
  type Shape,
  sizeOf,
  type Tensor,
  type Value,
} from "../../src/tensor/index.ts";
import { draw } from "./random.ts";

export interface Step {
  readonly op: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface Plan {
  readonly shapes: readonly Shape[];
  readonly steps: readonly Step[];
  readonly seed: number;
}

export interface RandomGraph {
  readonly g: GraphBuilder;
  readonly inputs: Record<string, Value>;
  readonly params: ReadonlyMap<string, Tensor>;
  /** All f32 values made, oldest first; inputs come first. */
  readonly pool: readonly Tensor[];
}

const choice = fc.nat({ max: 999 });

/** Plans with up to `maxSteps` steps over one to three inputs of rank 0 to 3. */
export function plans(maxSteps = 14): fc.Arbitrary<Plan> {
  return fc.record({
    shapes: fc.array(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }), {
      minLength: 1,
      maxLength: 3,
    }),
    steps: fc.array(fc.record({ op: choice, a: choice, b: choice, c: choice }), {
      minLength: 1,
      maxLength: maxSteps,
    }),
    seed: fc.nat({ max: 2 ** 20 }),
  });
}

type Make = (g: GraphBuilder, x: Tensor, other: { y: Tensor; c: number; seed: number }) => Tensor;

const maxElements = 128;

function allAxes(x: Tensor): number[] {
  return x.shape.map((_, axis) => axis);
}

function mean(g: GraphBuilder, x: Tensor): Tensor {
  return x.shape.length === 0 ? x : g.reshape(g.reduceMean(x, allAxes(x)), []);
}

/** y if it broadcasts with x, else its mean. */
function fitting(g: GraphBuilder, x: Tensor, y: Tensor): Tensor {
  try {
    return sizeOf(broadcastShapes(x.shape, y.shape)) <= maxElements ? y : mean(g, y);
  } catch {
    return mean(g, y);
  }
}

function binary(combine: (g: GraphBuilder, x: Tensor, y: Tensor) => Tensor): Make {
  return (g, x, { y, c }) => {
    const z = fitting(g, x, y);
    return c % 2 === 0 ? combine(g, x, z) : combine(g, z, x);
  };
}

/** x with at least one axis. */
function ranked(g: GraphBuilder, x: Tensor): Tensor {
  return x.shape.length === 0 ? g.reshape(x, [1]) : x;
}

function asMatrix(g: GraphBuilder, x: Tensor): Tensor {
  const first = x.shape[0] ?? 1;
  return g.reshape(x, [first, sizeOf(x.shape) / first]);
}

function onePlusSquare(g: GraphBuilder, x: Tensor): Tensor {
  return g.add(g.mul(x, x), 1);
}

function idsFor(
  g: GraphBuilder,
  shape: Shape,
  { end, seed }: { end: number; seed: number },
): Tensor {
  return g.constant(draw(seed).ints(shape, end).data, shape);
}

const smooth: readonly Make[] = [
  binary((g, x, y) => g.add(x, y)),
  binary((g, x, y) => g.sub(x, y)),
  binary((g, x, y) => g.mul(x, g.sigmoid(y))),
  binary((g, x, y) => g.div(x, onePlusSquare(g, y))),
  (g, x) => g.neg(x),
  (g, x) => g.exp(g.sigmoid(x)),
  (g, x) => g.log(onePlusSquare(g, x)),
  (g, x) => g.sqrt(onePlusSquare(g, x)),
  (g, x) => g.reciprocal(onePlusSquare(g, x)),
  (g, x) => g.silu(x),
  (g, x) => g.softmax(ranked(g, x)),
  (g, x, { c }) => {
    const r = ranked(g, x);
    return g.reduceMean(r, [c % r.shape.length]);
  },
  (g, x, { c }) => {
    const r = ranked(g, x);
    const axis = c % r.shape.length;
    return g.mul(g.reduceSum(r, [axis]), 1 / r.shape[axis]!);
  },
  (g, x, { c }) => {
    const n = sizeOf(x.shape);
    const shapes: Shape[] = [[n], [1, n], [n, 1], x.shape.toReversed(), [...x.shape, 1]];
    return g.reshape(x, shapes[c % shapes.length]!);
  },
  (g, x, { c }) => {
    const r = ranked(g, x);
    const rank = r.shape.length;
    return g.transpose(
      r,
      allAxes(r).map((axis) => (axis + c) % rank),
    );
  },
  (g, x, { c }) => {
    const r = ranked(g, x);
    const axis = c % r.shape.length;
    const start = c % r.shape[axis]!;
    return g.slice(r, axis, start, r.shape[axis]!);
  },
  (g, x, { c }) => {
    const r = ranked(g, x);
    return g.pad(r, c % r.shape.length, c % 3, c % 2);
  },
  (g, x, { y, c }) => {
    const r = ranked(g, x);
    const axis = c % r.shape.length;
    const z = g.broadcastTo(mean(g, y), r.shape.with(axis, 1 + (c % 2)));
    return g.concat(c % 5 === 0 ? [r, z, r] : [z, r], axis);
  },
  (g, x, { c }) => g.broadcastTo(x, [1 + (c % 3), ...x.shape]),
  (g, x, { y, c }) => {
    const [p, q] = [asMatrix(g, x), asMatrix(g, y)];
    const [m, k] = p.shape as [number, number];
    const [n, l] = q.shape as [number, number];
    if (k === n) return g.mul(g.matmul(p, q), 1 / k);
    if (k === l) return g.mul(g.matmul(p, q, { transB: true }), 1 / k);
    if (m === n) return g.mul(g.matmul(p, q, { transA: true }), 1 / m);
    const square = g.matmul(p, p, c % 2 === 0 ? { transB: true } : { transA: true });
    return g.mul(square, 1 / (c % 2 === 0 ? k : m));
  },
  (g, x, { y, c }) => {
    const r = ranked(g, x);
    const gain = g.broadcastTo(mean(g, y), r.shape.slice(-1));
    return g.op("rmsNorm", [r, gain], { eps: 0.1 })[c % 4 === 3 ? 1 : 0]!;
  },
  (g, x, { c, seed }) => {
    const table = asMatrix(g, x);
    return g.gatherRows(table, idsFor(g, [1 + (c % 4)], { end: table.shape[0]!, seed }));
  },
  (g, x, { c, seed }) => {
    const rows = asMatrix(g, x);
    const numRows = 1 + (c % 3);
    const ids = idsFor(g, [rows.shape[0]!], { end: numRows, seed });
    return g.mul(g.scatterAddRows(ids, rows, numRows), 1 / rows.shape[0]!);
  },
  (g, x, { y, seed }) => {
    const mask = draw(seed).bools(x.shape);
    return g.where(g.constant(mask.data, mask.shape), x, fitting(g, x, y));
  },
  (g, x, { y }) => {
    const table = asMatrix(g, x);
    const [n, width] = table.shape as [number, number];
    const hidden = g.broadcastTo(mean(g, y), [n, width]);
    const labels = g.constant(
      Int32Array.from({ length: n }, (_, i) => i),
      [n],
    );
    return g.linearCrossEntropy(g.add(hidden, table), table, labels);
  },
  (g, x, { y, c }) => {
    const q = asMatrix(g, x);
    const [n, width] = q.shape as [number, number];
    const heads = g.reshape(q, [1, 1, n, width]);
    const bias = g.broadcastTo(mean(g, y), [1, 1, n, n]);
    return g.op("attention", [heads, heads, heads, bias], { scale: 0.5 })[c % 4 === 3 ? 1 : 0]!;
  },
];

/** Continuous, but with kinks: right for comparing values, not for differences. */
const kinked: readonly Make[] = [(g, x) => g.abs(x), binary((g, x, y) => g.maximum(x, y))];

/** The graph of a plan. Values that grow too large in count are averaged over their last axis. */
export function graphOf({ shapes, steps, seed }: Plan, { kinks }: { kinks: boolean }): RandomGraph {
  const g = new GraphBuilder();
  const inputs: Record<string, Value> = {};
  const params = new Map<string, Tensor>();
  const pool: Tensor[] = [];
  for (const [i, shape] of shapes.entries()) {
    const name = `x${i}`;
    inputs[name] = draw(seed + i).uniform(shape, -2, 2);
    const t = g.input(name, "f32", shape);
    params.set(name, t);
    pool.push(t);
  }
  const table = kinks ? [...smooth, ...kinked] : smooth;
  for (const { op, a, b, c } of steps) {
    // Counted from the newest, so that long chains are likely.
    const pick = (i: number): Tensor => pool[pool.length - 1 - (i % pool.length)]!;
    const made = table[op % table.length]!(g, pick(a), { y: pick(b), c, seed: seed + c });
    const large = sizeOf(made.shape) > maxElements || made.shape.length > 4;
    pool.push(large ? mean(g, made) : made);
  }
  return { g, inputs, params, pool };
}
