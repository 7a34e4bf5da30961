import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { firstNonFinite } from "./finite.ts";

test("the first value that is not finite is found wherever it stands, in arrays of any length", () => {
  fc.assert(
    fc.property(fc.array(fc.float(), { maxLength: 40 }), (list) => {
      const values = Float32Array.from(list);
      // An independent way to say it.
      const expected = Array.from(values).findIndex(
        (x) => Number.isNaN(x) || Math.abs(x) === Infinity,
      );
      assert.equal(firstNonFinite(values), expected);
    }),
  );
  for (const bad of [NaN, Infinity, -Infinity])
    for (let at = 0; at < 40; at++) {
      const values = new Float32Array(40).fill(3.4028234663852886e38);
      assert.equal(firstNonFinite(values), -1);
      values[at] = bad;
      assert.equal(firstNonFinite(values), at);
    }
});

test("zeros of either sign, the largest and the smallest numbers are finite", () => {
  const values = Float32Array.of(0, -0, 1e-45, -1e-45, 3.4e38, -3.4e38, 0, 0, -0);
  assert.equal(firstNonFinite(values), -1);
});
