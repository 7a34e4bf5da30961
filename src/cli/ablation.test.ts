import assert from "node:assert/strict";
import { test } from "node:test";
import { ablationSchema } from "./ablation.ts";

test("parts of a memory are named by layers, orders, heads, rows, counts and contexts", () => {
  assert.deepEqual(ablationSchema.parse(["layers=1,5", "orders=2", "heads=0,3", "rows=1:17,5:0"]), {
    layers: [1, 5],
    orders: [2],
    heads: [0, 3],
    rows: [
      { layer: 1, row: 17 },
      { layer: 5, row: 0 },
    ],
  });
  assert.deepEqual(ablationSchema.parse(["counts=4,5", "contexts=7,12-7"]), {
    counts: [4, 5],
    contexts: [[7], [12, 7]],
  });
});

test("anything else is refused with what was written", () => {
  for (const part of [
    "",
    "layers",
    "layers=",
    "layers=x",
    "layers=-1",
    "tables=1",
    "rows=17",
    "rows=1:2:3",
    "rows=1:17,",
    "layers=1 2",
    "counts=x",
    "contexts=7-",
    "contexts=7--8",
    "contexts=-7",
  ]) {
    const { success, error } = ablationSchema.safeParse([part]);
    assert.ok(!success, part);
    assert.ok(error.message.includes(`got \\"${part}\\"`), error.message);
  }
  assert.ok(!ablationSchema.safeParse(["layers=1", "layers=2"]).success);
});
