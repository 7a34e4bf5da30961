import assert from "node:assert/strict";
import test from "node:test";
import { calibrate, reliability, type Said } from "./calibration.ts";

/** Of ten answers with one chance, so many are true. */
const tens = (share: number, trues: number): Said[] =>
  Array.from({ length: 10 }, (_, i) => ({
    fact: i,
    chance: 0.5,
    without: 0.5,
    isWording: false,
    share,
    isMeant: i < trues,
  }));

test("a number is fitted to how often such answers are true", () => {
  const said = [...tens(0, 2), ...tens(1, 9)];
  const number = calibrate(said);
  assert.ok(Math.abs(number(said[0]!) - 0.2) < 0.05, `${number(said[0]!)}`);
  assert.ok(Math.abs(number(said[10]!) - 0.9) < 0.05, `${number(said[10]!)}`);
  const { bins, error } = reliability(said.map((one) => ({ ...one, number: number(one) })));
  assert.equal(bins.length, 2);
  assert.ok(error < 0.05);
});

test("the error of a number that is always wrong is how far it is off, by weight", () => {
  const judged = [...tens(0, 2), ...tens(0, 2)].map((one) => ({ ...one, number: 0.9 }));
  assert.ok(Math.abs(reliability(judged).error - 0.7) < 1e-9);
  // Answers that are never given do not count.
  const never = { ...judged[0]!, chance: 0, isMeant: false, number: 0.1 };
  assert.ok(Math.abs(reliability([...judged, never]).error - 0.7) < 1e-9);
});
