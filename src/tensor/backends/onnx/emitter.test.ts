import assert from "node:assert/strict";
import { test } from "node:test";
import { GraphBuilder, type Tensor } from "../../index.ts";
import { Emitter } from "./emitter.ts";
import { lower } from "./lower.ts";

/** The ONNX ops a graph of one input becomes. */
function opsOf(shape: readonly number[], build: (g: GraphBuilder, x: Tensor) => Tensor): string[] {
  const g = new GraphBuilder();
  const graph = g.build({ y: build(g, g.input("x", "f32", shape)) });
  return lower(graph, { caches: "in place" }).nodes.map((n) => n.opType);
}

const heads = [0, 2, 1, 3];

test("a transpose that only moves axes of length one is a reshape", () => {
  assert.deepEqual(
    opsOf([2, 1, 5, 8], (g, x) => g.neg(g.transpose(x, heads))),
    ["Reshape", "Neg"],
  );
  assert.deepEqual(
    opsOf([2, 3, 5, 8], (g, x) => g.neg(g.transpose(x, heads))),
    ["Transpose", "Neg"],
  );
});

test("a transpose undone by the next one disappears, through reshapes that keep its shape", () => {
  const there = (g: GraphBuilder, x: Tensor): Tensor => g.transpose(g.neg(x), heads);
  assert.deepEqual(
    opsOf([2, 3, 5, 8], (g, x) => g.abs(g.transpose(there(g, x), heads))),
    ["Neg", "Abs"],
  );
  assert.deepEqual(
    opsOf([2, 3, 5, 8], (g, x) => {
      const flat = g.reshape(there(g, x), [30, 8]);
      return g.abs(g.transpose(g.reshape(flat, [2, 5, 3, 8]), heads));
    }),
    ["Neg", "Abs"],
  );
});

test("two transposes become one, and stay two where a reshape between them mixes axes", () => {
  const twice = (g: GraphBuilder, x: Tensor): Tensor =>
    g.transpose(g.transpose(x, [1, 0, 2]), [0, 2, 1]);
  assert.deepEqual(opsOf([2, 3, 4], twice), ["Transpose"]);
  assert.deepEqual(
    opsOf([2, 3, 4], (g, x) => g.transpose(g.reshape(g.transpose(x, [1, 0, 2]), [6, 4]), [1, 0])),
    ["Transpose", "Reshape", "Transpose"],
  );
});

test("of a chain of reshapes the last remains", () => {
  assert.deepEqual(
    opsOf([4, 6], (g, x) => g.neg(g.reshape(g.reshape(g.reshape(x, [24]), [2, 12]), [3, 8]))),
    ["Reshape", "Neg"],
  );
});

test("parts are the whole that was split where all of them come in their order, reshaped or not", () => {
  const e = new Emitter();
  const [a, b, c] = ["a", "b", "c"] as const;
  e.add("Split", ["x", e.ints([4, 3, 3])], [a, b, c], { axis: -1n });
  e.add("Split", ["z", e.ints([1, 1])], ["z0", "z1"], { axis: 1n });
  assert.equal(e.whole([a, b, c]), "x");
  assert.equal(e.whole([e.reshape(a, [2, 2]), b, e.reshape(c, [3])]), "x");
  for (const parts of [
    [a, b],
    [a, c, b],
    [b, b, c],
    ["y", b, c],
    [a, b, "y"],
  ])
    assert.equal(e.whole(parts), undefined);
});
