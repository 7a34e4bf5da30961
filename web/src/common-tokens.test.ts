import assert from "node:assert/strict";
import { test } from "node:test";
import { commonTokens } from "./common-tokens.ts";

test("tokens that both texts have in the same order, and no others", () => {
  const [a, b] = ["the cat sat on the mat", "the dog sat on a mat ."].map((text) =>
    text.split(" "),
  );
  const common = commonTokens(a!, b!);
  const kept = (text: string[], marks: readonly boolean[]) => text.filter((_, i) => marks[i]);
  assert.deepEqual(kept(a!, common.a), ["the", "sat", "on", "mat"]);
  assert.deepEqual(kept(b!, common.b), ["the", "sat", "on", "mat"]);
});

test("equal texts are all common, and nothing is where one is empty", () => {
  assert.deepEqual(commonTokens(["x", "y"], ["x", "y"]), { a: [true, true], b: [true, true] });
  assert.deepEqual(commonTokens(["x"], []), { a: [false], b: [] });
});
