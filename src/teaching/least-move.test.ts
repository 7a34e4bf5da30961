import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { leastMove } from "./least-move.ts";

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((sum, x, i) => sum + x * b[i]!, 0);

test("one wish is met along its gradient, one that is met already moves nothing", () => {
  const gradient = Float32Array.of(3, 0, 4);
  const move = leastMove([{ gradient, rise: 10 }], 3);
  for (const [i, x] of [1.2, 0, 1.6].entries()) assert.ok(Math.abs(move[i]! - x) < 0.01);
  assert.deepEqual([...leastMove([{ gradient, rise: -1 }], 3)], [0, 0, 0]);
  assert.deepEqual([...leastMove([{ gradient: new Float32Array(3), rise: 1 }], 3)], [0, 0, 0]);
});

test("of several wishes all are met, by no longer a way than any other that meets them", () => {
  const vector = fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 6, maxLength: 6 });
  fc.assert(
    fc.property(
      vector,
      vector,
      fc.array(vector, { minLength: 20, maxLength: 20 }),
      (a, b, ways) => {
        // Apart enough for both to be had.
        fc.pre(dot(a, a) * dot(b, b) > 2 * dot(a, b) ** 2);
        const wishes = [a, b].map((one) => ({ gradient: Float32Array.from(one), rise: 1 }));
        const move = leastMove(wishes, 6);
        for (const { gradient } of wishes) assert.ok(dot(gradient, move) > 0.98);
        for (const way of ways) {
          const least = Math.min(dot(a, way), dot(b, way));
          if (least > 0) assert.ok(Math.hypot(...move) <= Math.hypot(...way) / least + 1e-3);
        }
      },
    ),
    { numRuns: 100 },
  );
});

test("wishes against each other end in a move that is bounded", () => {
  const wishes = [1, -1].map((x) => ({ gradient: Float32Array.of(x, 0.001 * x), rise: 1 }));
  assert.ok(Math.hypot(...leastMove(wishes, 2)) < 2);
});
