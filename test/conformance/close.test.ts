import assert from "node:assert/strict";
import { test } from "node:test";

import { toBeClose } from "./close.ts";

test("equal numbers are close, infinities and NaN included", () => {
  toBeClose([1, 0, -Infinity, Infinity, NaN], [1, -0, -Infinity, Infinity, NaN]);
});

test("tolerance grows with the number and with the size of its terms", () => {
  toBeClose([1001], [1000], { rtol: 2e-3 });
  assert.throws(() => toBeClose([1.01], [1], { rtol: 2e-3 }));
  toBeClose([0.01], [0], { rtol: 2e-3, magnitude: 10 });
  toBeClose([0.01, 1], [0, 1], { rtol: 2e-3, magnitude: [10, 0] });
  assert.throws(() => toBeClose([0.01, 0.01], [0, 0], { rtol: 2e-3, magnitude: [10, 0] }));
});

test("what is not a number, or infinite on one side only, is never close", () => {
  const generous = { rtol: 1, atol: 1e9 };
  for (const [a, e] of [
    [NaN, 1],
    [1, NaN],
    [Infinity, 1],
    [1, Infinity],
    [-Infinity, Infinity],
  ] as const)
    assert.throws(() => toBeClose([a], [e], generous), `${a} and ${e}`);
});

test("a different number of elements is a failure", () => {
  assert.throws(() => toBeClose([1, 2], [1, 2, 3]), /expected 3 elements, got 2/);
});

test("the message names the worst element and both numbers", () => {
  assert.throws(
    () => toBeClose([1, 2.5, 3.125], [1, 2, 3], { atol: 0.1, label: "loss" }),
    /loss: worst at \[1\] of 3: expected 2, got 2\.5.*2 elements are too far/,
  );
});
