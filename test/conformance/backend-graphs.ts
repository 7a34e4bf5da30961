/**
 * Whole graphs every backend must run as the reference does: unusual wiring, and a piece of a
 * transformer with its gradients. Knows no particular backend.
 */
import { describe, test } from "node:test";

import {
  evaluateGraph,
  type Graph,
  GraphBuilder,
  gradients,
  runOnce,
  type Values,
} from "../../src/tensor/index.ts";
import type { UseBackend } from "./backend.ts";
import { largest } from "./cases/op-case.ts";
import { toBeClose } from "./close.ts";
import { draw } from "./random.ts";
import { transformerBlock } from "./transformer-block.ts";

export function graphBehaviour(use: UseBackend, rtol: number): void {
  const check = async (graph: Graph, inputs: Values, slack = 1): Promise<void> => {
    const results = await runOnce(use(), graph, inputs);
    const numbers = Object.fromEntries(Object.entries(inputs).map(([name, v]) => [name, v.data]));
    for (const [name, expected] of Object.entries(evaluateGraph(graph, numbers)))
      toBeClose(results[name]!.data, expected, {
        label: `output "${name}"`,
        rtol: rtol * slack,
        magnitude: largest(expected),
      });
  };

  describe("graphs", () => {
    test("an output may be an input, a constant, or another output's tensor", async () => {
      const g = new GraphBuilder();
      const x = g.input("x", "f32", [2, 3]);
      const ids = g.input("ids", "i32", [4]);
      const mask = g.input("mask", "bool", [3]);
      const c = g.constant(Float32Array.of(1, 2, 3), [3]);
      const y = g.add(x, c);
      const graph = g.build({ x, ids, mask, c, y, again: y, product: g.mul(y, y) });
      const d = draw(1);
      await check(graph, { x: d.normal([2, 3]), ids: d.ints([4], 9), mask: d.bools([3]) });
    });

    test("an input nothing reads still has to be bound, and is ignored", async () => {
      const g = new GraphBuilder();
      const x = g.input("x", "f32", [3]);
      g.input("unused", "i32", [2]);
      const d = draw(2);
      await check(g.build({ y: g.neg(x) }), { x: d.normal([3]), unused: d.ints([2], 5) });
    });

    test("a graph without inputs computes from its constants", async () => {
      const g = new GraphBuilder();
      const c = g.constant(Float32Array.of(1, 2, 3, 4), [2, 2]);
      await check(g.build({ y: g.add(g.matmul(c, c), g.scalar(0.5)) }), {});
    });

    test("a gain may have been of any shape, and what it scales of any rank", async () => {
      const d = draw(3);
      for (const shape of [[4], [1, 4], [4, 1], [2, 2], [1, 1, 4]])
        for (const leading of [[], [3], [2, 3], [2, 1, 3]]) {
          const g = new GraphBuilder();
          const x = g.input("x", "f32", [...leading, 4]);
          const gain = g.input("gain", "f32", shape);
          const graph = g.build({ y: g.rmsNorm(x, g.reshape(gain, [4]), 1e-5) });
          await check(graph, { x: d.normal([...leading, 4]), gain: d.normal(shape) });
        }
    });

    test("one tensor may be every operand of a node", async () => {
      const g = new GraphBuilder();
      const x = g.input("x", "f32", [5, 5]);
      const graph = g.build({
        sum: g.add(x, x),
        square: g.mul(x, x),
        product: g.matmul(x, x, { transB: true }),
        twice: g.concat([x, x], 1),
        same: g.cast(g.equal(x, x), "f32"),
        most: g.maximum(x, x),
      });
      await check(graph, { x: draw(3).normal([5, 5]) });
    });

    test("names of inputs and outputs are any text", async () => {
      const g = new GraphBuilder();
      const x = g.input("layers.0/attn: größe [%]", "f32", [2]);
      const y = g.input("y y", "f32", [2]);
      const d = draw(4);
      const inputs = { "layers.0/attn: größe [%]": d.normal([2]), "y y": d.normal([2]) };
      await check(g.build({ "∂L/∂x": g.mul(x, y), t1: g.sub(x, y) }), inputs);
    });

    test("masks are made from lengths and positions", async () => {
      const g = new GraphBuilder();
      const lengths = g.input("lengths", "i32", [3]);
      const positions = g.constant(Int32Array.of(0, 1, 2, 3, 4), [5]);
      const live = g.less(g.reshape(positions, [1, 5]), g.reshape(lengths, [3, 1]));
      const even = g.constant(Uint8Array.of(1, 0, 1, 0, 1), [5]);
      const bias = g.where(g.or(live, even), 0, -Infinity);
      const graph = g.build({
        bias,
        both: g.and(live, even),
        count: g.reduceSum(g.cast(live, "f32"), [1]),
      });
      await check(graph, { lengths: { dtype: "i32", shape: [3], data: Int32Array.of(2, 5, 0) } });
    });

    test("a transformer block, its loss and all gradients agree with the reference", async () => {
      const { g, inputs, params, loss } = transformerBlock();
      const found = gradients(g, loss, [...params.values()]);
      const names = [...params.keys()].map((name) => `d ${name}`);
      const graph = g.build({ loss, ...Object.fromEntries(names.map((n, i) => [n, found[i]!])) });
      await check(graph, inputs, 10);
    });
  });
}
