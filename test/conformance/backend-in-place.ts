/**
 * Outputs bound to the memory of inputs: every node must see the old contents, whichever order the
 * backend runs them in. Expected numbers are computed here, not by another backend.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import {
  type Graph,
  GraphBuilder,
  type Shape,
  type Tensor,
  sizeOf,
  type Value,
  zeros,
} from "../../src/tensor/index.ts";
import type { UseBackend } from "./backend.ts";
import { outputsFor, runBound } from "./bound-graphs.ts";
import { toBeClose } from "./close.ts";
import { draw } from "./random.ts";

/** Ops that move nothing here, so that a backend may give out its input's own memory. */
const views: Record<string, (g: GraphBuilder, x: Tensor) => Tensor> = {
  reshape: (g, x) => g.reshape(x, [24]),
  "reshape of a reshape": (g, x) => g.reshape(g.reshape(x, [2, 12]), [1, 24]),
  "reshape to its own shape": (g, x) => g.reshape(x, [4, 6]),
  broadcastTo: (g, x) => g.op("broadcastTo", [x], { shape: [4, 6] })[0]!,
  cast: (g, x) => g.op("cast", [x], { to: "f32" })[0]!,
  "slice of everything": (g, x) => g.slice(x, 0, 0, 4),
  "pad by nothing": (g, x) => g.pad(x, 1, 0, 0),
  "concat of one": (g, x) => g.op("concat", [x], { axis: 0 })[0]!,
  "transpose of a short axis": (g, x) => g.transpose(g.reshape(x, [4, 1, 6]), [1, 0, 2]),
};

export function inPlaceBehaviour(use: UseBackend): void {
  describe("updates in place", () => {
    for (const length of [3, 100_003])
      test(`x' = 0.9 x + g over x, ${length} elements, three times`, async () => {
        const g = new GraphBuilder();
        const x = g.input("x", "f32", [length]);
        const step = g.input("g", "f32", [length]);
        const graph = g.build({ next: g.add(g.mul(x, 0.9), step) });
        const d = draw(length);
        const state = d.normal([length]);
        const change = d.normal([length]);
        let expected = Float64Array.from(state.data);
        await runBound(use(), graph, {
          inputs: { x: state, g: change },
          outputs: { next: state },
          times: 3,
        });
        for (let i = 0; i < 3; i++) expected = expected.map((v, j) => 0.9 * v + change.data[j]!);
        toBeClose(state.data, expected, { rtol: 1e-6, magnitude: 5 });
      });

    for (const shape of [[5], [300, 257]])
      test(`AdamW over parameter, both moments, and readers of the old values, [${shape}]`, async () => {
        const { graph, state, grads } = adamW(shape);
        const old = mapValues(state, (v) => Float64Array.from(v.data));
        const readers = {
          oldNorm: zeros(
            "f32",
            shape.map(() => 1),
          ),
          oldMoment: zeros("f32", shape),
          change: zeros("f32", shape),
        };
        await runBound(use(), graph, {
          inputs: { ...state, grads },
          outputs: { param2: state["param"]!, m2: state["m"]!, v2: state["v"]!, ...readers },
        });
        const [p, m, v] = [old["param"]!, old["m"]!, old["v"]!];
        const m2 = m.map((x, i) => 0.9 * x + 0.1 * grads.data[i]!);
        const v2 = v.map((x, i) => 0.99 * x + 0.01 * grads.data[i]! ** 2);
        const p2 = p.map((x, i) => x - 0.1 * (m2[i]! / (Math.sqrt(v2[i]!) + 1e-3) + 0.05 * x));
        const close = { rtol: 1e-5, magnitude: 10 };
        toBeClose(state["m"]!.data, m2, { ...close, label: "first moment" });
        toBeClose(state["v"]!.data, v2, { ...close, label: "second moment" });
        toBeClose(state["param"]!.data, p2, { ...close, label: "parameter" });
        toBeClose(
          readers.oldMoment.data,
          m.map((x) => x * 3),
          { ...close, label: "old moment" },
        );
        toBeClose(
          readers.change.data,
          p2.map((x, i) => x - p[i]!),
          { ...close, label: "change" },
        );
        const norm = p.reduce((sum, x) => sum + x * x, 0);
        toBeClose(readers.oldNorm.data, [norm], { rtol: 1e-5, label: "old norm" });
      });

    test("an input overwritten by an early node is read by a later, slower one", async () => {
      const n = 160;
      const g = new GraphBuilder();
      const x = g.input("x", "f32", [n, n]);
      const flat = g.neg(x);
      let late = x;
      for (let i = 0; i < 3; i++) late = g.mul(g.matmul(late, g.sigmoid(x)), 1 / n);
      const graph = g.build({ flat, late: g.add(late, x) });
      const start = draw(1).normal([n, n]);
      const apart = outputsFor(graph);
      await runBound(use(), graph, { inputs: { x: start }, outputs: apart });
      const state = { ...start, data: Float32Array.from(start.data) };
      const late2 = zeros("f32", [n, n]);
      await runBound(use(), graph, { inputs: { x: state }, outputs: { flat: state, late: late2 } });
      assert.deepEqual(late2.data, apart["late"]!.data);
      assert.deepEqual(state.data, apart["flat"]!.data);
    });

    for (const [name, view] of Object.entries(views))
      test(`${name} of an input is read after the input's memory is overwritten`, async () => {
        const g = new GraphBuilder();
        const x = g.input("x", "f32", [4, 6]);
        const same = view(g, x);
        const next = g.neg(g.reshape(g.mul(same, 2), [4, 6]));
        const graph = g.build({ next, late: g.add(g.reshape(next, same.shape), same) });
        const start = draw(1).normal([4, 6]);
        const state = { ...start, data: Float32Array.from(start.data) };
        const late = zeros("f32", same.shape);
        await runBound(use(), graph, { inputs: { x: state }, outputs: { next: state, late } });
        toBeClose(
          late.data,
          start.data.map((v) => -v),
          { rtol: 1e-6, label: "late reader" },
        );
        toBeClose(
          state.data,
          start.data.map((v) => -2 * v),
          { rtol: 1e-6, label: "state" },
        );
      });

    test("two states swap", async () => {
      const g = new GraphBuilder();
      const a = g.input("a", "f32", [1000]);
      const b = g.input("b", "f32", [1000]);
      const graph = g.build({ a2: g.mul(b, 2), b2: g.mul(a, 3) });
      const d = draw(1);
      const [x, y] = [d.normal([1000]), d.normal([1000])];
      const [x0, y0] = [Float64Array.from(x.data), Float64Array.from(y.data)];
      await runBound(use(), graph, { inputs: { a: x, b: y }, outputs: { a2: x, b2: y } });
      toBeClose(
        x.data,
        y0.map((v) => 2 * v),
        { rtol: 1e-6 },
      );
      toBeClose(
        y.data,
        x0.map((v) => 3 * v),
        { rtol: 1e-6 },
      );
    });

    test("an input passed through to another's memory is its old value", async () => {
      const g = new GraphBuilder();
      const a = g.input("a", "i32", [9]);
      const b = g.input("b", "i32", [9]);
      const graph = g.build({ a2: b, b2: a });
      const [x, y] = [draw(1).ints([9], 99), draw(2).ints([9], 99)];
      const [x0, y0] = [[...x.data], [...y.data]];
      await runBound(use(), graph, { inputs: { a: x, b: y }, outputs: { a2: x, b2: y } });
      assert.deepEqual([[...x.data], [...y.data]], [y0, x0]);
    });

    test("one memory bound to two inputs and an output", async () => {
      const g = new GraphBuilder();
      const a = g.input("a", "f32", [50]);
      const b = g.input("b", "f32", [50]);
      const graph = g.build({ y: g.add(g.mul(a, 2), b) });
      const x = draw(1).normal([50]);
      const old = Float64Array.from(x.data);
      await runBound(use(), graph, { inputs: { a: x, b: x }, outputs: { y: x } });
      toBeClose(
        x.data,
        old.map((v) => 3 * v),
        { rtol: 1e-6 },
      );
    });

    test("rows are added to a table in place", async () => {
      const g = new GraphBuilder();
      const table = g.input("table", "f32", [40, 8]);
      const ids = g.input("ids", "i32", [500]);
      const rows = g.gatherRows(table, ids);
      const graph = g.build({ next: g.add(table, g.scatterAddRows(ids, rows, 40)), rows });
      const state = draw(1).normal([40, 8]);
      const which = draw(2).ints([500], 40);
      const old = Float64Array.from(state.data);
      const read = zeros("f32", [500, 8]);
      await runBound(use(), graph, {
        inputs: { table: state, ids: which },
        outputs: { next: state, rows: read },
      });
      const counts = new Float64Array(40);
      for (const id of which.data) counts[id]!++;
      toBeClose(
        state.data,
        old.map((v, i) => v * (1 + counts[Math.floor(i / 8)]!)),
        { rtol: 1e-5 },
      );
      toBeClose(
        read.data,
        Array.from(read.data, (_, i) => old[which.data[Math.floor(i / 8)]! * 8 + (i % 8)]!),
      );
    });
  });
}

function mapValues<A, B>(record: Record<string, A>, f: (a: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, a]) => [key, f(a)]));
}

function adamW(shape: Shape): { graph: Graph; state: Record<string, Value>; grads: Value } {
  const g = new GraphBuilder();
  const [param, m, v, grads] = ["param", "m", "v", "grads"].map((name) =>
    g.input(name, "f32", shape),
  );
  const m2 = g.add(g.mul(m!, 0.9), g.mul(grads!, 0.1));
  const v2 = g.add(g.mul(v!, 0.99), g.mul(g.mul(grads!, grads!), 0.01));
  const direction = g.div(m2, g.add(g.sqrt(v2), 1e-3));
  const param2 = g.sub(param!, g.mul(g.add(direction, g.mul(param!, 0.05)), 0.1));
  // Axis by axis: whether old values are read is the question here, not how a kernel adds up 77,100 numbers.
  let oldNorm = g.mul(param!, param!);
  for (const axis of shape.keys()) oldNorm = g.reduceSum(oldNorm, [axis]);
  const outputs = {
    param2,
    m2,
    v2,
    oldNorm,
    oldMoment: g.mul(m!, 3),
    change: g.sub(param2, param!),
  };
  const d = draw(sizeOf(shape));
  return {
    graph: g.build(outputs),
    state: { param: d.normal(shape), m: d.normal(shape), v: d.uniform(shape, 0, 2) },
    grads: d.normal(shape),
  };
}
