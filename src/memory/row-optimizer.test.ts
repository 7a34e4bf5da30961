import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { toBeClose } from "../../test/conformance/close.ts";
import { updateRows } from "./row-optimizer.ts";

test("a row's first step has length lr in the root mean square, however small its gradient", () => {
  for (const size of [1, 1e-4, 1e-8]) {
    const gradients = Float32Array.of(3, -4, 0, 5).map((x) => x * size);
    const values = new Float32Array(4);
    const moments = new Float32Array(1);
    updateRows({ values, gradients, moments, count: 1, width: 4 }, 0.01);
    const rms = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / 4);
    toBeClose([rms, moments[0]!], [0.01, 1], { rtol: 1e-5, atol: 0 });
  }
});

test("steps follow the formula, row by row", () => {
  const number = fc.oneof(
    fc.constant(0),
    fc.double({ min: 0.001, max: 10, noNaN: true }),
    fc.double({ min: -10, max: -0.001, noNaN: true }),
  );
  fc.assert(
    fc.property(
      fc.array(number, { minLength: 12, maxLength: 12 }),
      fc.array(fc.double({ min: 0.001, max: 4, noNaN: true }), { minLength: 3, maxLength: 3 }),
      (numbers, before) => {
        const gradients = Float32Array.from(numbers);
        const values = Float32Array.from(numbers, (x) => x / 3 + 1);
        const moments = Float32Array.from(before);
        const squares = [0, 1, 2].map((row) =>
          gradients.subarray(4 * row, 4 * row + 4).reduce((sum, x) => sum + (x * x) / 4, 0),
        );
        const batch = (squares[0]! + squares[1]! + squares[2]!) / 3;
        const expected = Array.from(values, (value, i) => {
          const row = i >> 2;
          if (squares[row] === 0) return value;
          const v = Math.fround(before[row]!) + squares[row]! / batch;
          return value - (0.02 * gradients[i]!) / Math.sqrt(batch * v);
        });
        updateRows({ values, gradients, moments, count: 3, width: 4 }, 0.02);
        toBeClose(values, expected, { rtol: 1e-5, atol: 1e-6 });
      },
    ),
  );
});

test("a row's steps shrink with its own visits, not with another's, whatever the gradients' size", () => {
  const moments = new Float32Array(2);
  const lengths: number[] = [];
  for (let visit = 0; visit < 9; visit++) {
    const values = new Float32Array(4);
    const size = 10 ** -visit;
    const gradients = Float32Array.of(size, size, size, size);
    // The second row takes part in the last visit only.
    const count = visit === 8 ? 2 : 1;
    updateRows({ values, gradients, moments, count, width: 2 }, 0.1);
    lengths.push(-values[0]!);
    if (visit === 8) toBeClose([values[2]!], [-0.1], { rtol: 1e-5, atol: 0 });
  }
  const expected = lengths.map((_, k) => 0.1 / Math.sqrt(k + 1));
  toBeClose(lengths, expected, { rtol: 1e-5, atol: 0 });
});

test("rows without a gradient, and rows beyond the count, stay as they are", () => {
  const values = Float32Array.of(1, 2, 3, 4, 5, 6);
  const gradients = Float32Array.of(0, 0, 1, 1, 9, 9);
  const moments = Float32Array.of(0.5, 0, 0);
  updateRows({ values, gradients, moments, count: 2, width: 2 }, 0.1);
  assert.deepEqual([...values.subarray(0, 2), ...values.subarray(4)], [1, 2, 5, 6]);
  assert.deepEqual([moments[0], moments[2]], [0.5, 0]);
});
