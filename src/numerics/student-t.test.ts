import assert from "node:assert/strict";
import { test } from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { InvariantError } from "../errors.ts";
import { studentT } from "./index.ts";

test("quantiles of t are SciPy's", () => {
  // scipy.stats.t.ppf(0.5 + inside / 2, df), SciPy 1.17.1
  const degrees = [1, 2, 3, 5, 10, 29, 99, 1000];
  const expected = {
    0.95: [12.706205, 4.302653, 3.182446, 2.570582, 2.228139, 2.04523, 1.984217, 1.962339],
    0.99: [63.656741, 9.924843, 5.840909, 4.032143, 3.169273, 2.756386, 2.626405, 2.580755],
  };
  for (const [inside, values] of Object.entries(expected))
    toBeClose(
      degrees.map((df) => studentT(df, Number(inside))),
      values,
      { rtol: 1e-6, atol: 0 },
    );
  assert.throws(() => studentT(0), InvariantError);
  assert.throws(() => studentT(3, 1), InvariantError);
});
