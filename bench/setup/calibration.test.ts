import assert from "node:assert/strict";
import test from "node:test";
import { brierScore, reliability, type Said, shareTrue } from "./calibration.ts";

/** Ten answers, each said half of the time, of which so many are true. */
const tens = (trues: number): Said[] =>
  Array.from({ length: 10 }, (_, i) => ({ chance: 0.5, isTrue: i < trues }));

test("a share counts answers by how often they are said", () => {
  assert.ok(Math.abs(shareTrue(tens(4)) - (2 + 0.5) / (5 + 1)) < 1e-12);
  assert.equal(shareTrue([]), 0.5);
});

test("the error of a number that is always wrong is how far it is off, by weight", () => {
  const judged = [...tens(2), ...tens(2)].map((one) => ({ ...one, number: 0.9 }));
  assert.ok(Math.abs(reliability(judged).error - 0.7) < 1e-9);
  // 0.2 of (0.1)^2 and 0.8 of (0.9)^2.
  assert.ok(Math.abs(brierScore(judged) - (0.2 * 0.01 + 0.8 * 0.81)) < 1e-9);
  // Answers that are never given do not count.
  const never = { ...judged[0]!, chance: 0, isTrue: false, number: 0.1 };
  assert.ok(Math.abs(reliability([...judged, never]).error - 0.7) < 1e-9);
});
