import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { logProbsOf } from "./log-probs.ts";

test("log-probabilities are the logarithm of the softmax, the likeliest sorted first", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ noNaN: true, min: -40, max: 40 }), { minLength: 1, maxLength: 30 }),
      fc.nat({ max: 35 }),
      fc.nat(),
      (logits, top, pick) => {
        const id = pick % logits.length;
        const sum = logits.reduce((total, x) => total + Math.exp(x), 0);
        const expected = logits.map((x, token) => ({ id: token, p: Math.exp(x) / sum }));
        const found = logProbsOf(Float32Array.from(logits), { id, top });
        assert.ok(Math.abs(found.logProb - Math.log(expected[id]!.p)) < 1e-4);
        const order = expected.toSorted((a, b) => logits[b.id]! - logits[a.id]! || a.id - b.id);
        assert.deepEqual(
          found.top.map((token) => token.id),
          order.slice(0, top).map((token) => token.id),
        );
      },
    ),
  );
});

test("the chosen token and the same token among the likeliest have the same number", () => {
  const found = logProbsOf(Float32Array.of(0.3, 2.7, -1), { id: 1, top: 2 });
  assert.equal(found.top[0]!.logProb, found.logProb);
});
