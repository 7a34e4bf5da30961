import assert from "node:assert/strict";
import { test } from "node:test";
import { percent, signed } from "./format.ts";

test("a share is a percentage that never claims more than is true", () => {
  for (const [share, text] of [
    [0, "0 %"],
    [0.0000001, "< 0.001 %"],
    [0.000123, "0.012 %"],
    [0.1234, "12.3 %"],
    [0.99999, "> 99.9 %"],
    [1, "100 %"],
    [1.304, "130 %"],
  ] as const)
    assert.equal(percent(share), text);
});

test("a change has its sign, and none when it rounds to zero", () => {
  assert.deepEqual(
    [0.126, -0.126, -0.001, 0].map((value) => signed(value, 2)),
    ["+0.13", "\u22120.13", "0.00", "0.00"],
  );
});
