import assert from "node:assert/strict";
import { test } from "node:test";
import type { InspectReport } from "../../src/inspect/report.ts";
import { effectAt, mostRaised } from "./effect.ts";

const chances = (values: readonly (number | null)[]) =>
  values.map((value) => (value === null ? null : Math.log(value)));

function reportOf(on: readonly (number | null)[], off: readonly (number | null)[]): InspectReport {
  return {
    tokens: on.map((_, id) => ({ id, text: `${id}`, compressed: id })),
    num_hidden: 1,
    log_probs: { on: chances(on), off: chances(off) },
  } as unknown as InspectReport;
}

test("the token that gained most chance, not the one whose loss fell most", () => {
  // Token 1 is a hundred times likelier and still never said; token 3 is now said.
  const report = reportOf([null, 0.01, 0.5, 0.9], [null, 0.0001, 0.6, 0.3]);
  assert.equal(mostRaised(report), 3);
  const { on, off } = effectAt(report, 3)!;
  assert.ok(Math.abs(on - 0.9) + Math.abs(off - 0.3) < 1e-9);
});

test("none where the memory raised none, and nothing for the first token", () => {
  const report = reportOf([null, 0.1, 0.2], [null, 0.2, 0.2]);
  assert.equal(mostRaised(report), undefined);
  assert.equal(effectAt(report, 0), undefined);
  assert.equal(effectAt(report, 9), undefined);
});
