import assert from "node:assert/strict";
import test from "node:test";
import { tokensIn } from "./pace.ts";

test("a pace allows its share of a second", () => {
  assert.equal(tokensIn(250, 12), 3);
  assert.equal(tokensIn(16, Infinity), Infinity);
});

test("no time, or a frame from before, allows nothing at any pace", () => {
  for (const ms of [0, -3]) for (const pace of [4, Infinity]) assert.equal(tokensIn(ms, pace), 0);
});
