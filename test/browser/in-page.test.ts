import nodeAssert from "node:assert/strict";
import { test as nodeTest } from "node:test";
import assert, { describe, runAll, test } from "./in-page.ts";

nodeTest("what should fail in a page fails there, and is named; the rest passes", async () => {
  describe("suite", () => {
    test("good", async (t) => {
      assert.deepEqual({ a: [1, Float32Array.of(2)] }, { a: [1, Float32Array.of(2)] });
      assert.throws(() => JSON.parse("{"), SyntaxError);
      await assert.rejects(Promise.reject(new RangeError("far")), /far/);
      await t.test("inner", () => assert.equal(NaN, NaN));
    });
    const bad: [string, () => unknown][] = [
      ["ok", () => assert.ok(0)],
      ["equal", () => assert.equal(1, 2)],
      ["notEqual", () => assert.notEqual(1, 1)],
      ["values", () => assert.deepEqual(Float32Array.of(1), Float32Array.of(2))],
      ["lengths", () => assert.deepEqual([1], [1, 2])],
      ["kinds", () => assert.deepEqual(Float32Array.of(1), Int32Array.of(1))],
      ["throws nothing", () => assert.throws(() => 1)],
      ["throws another", () => assert.throws(() => JSON.parse("{"), RangeError)],
      ["rejects nothing", () => assert.rejects(async () => 1)],
      ["rejects another", () => assert.rejects(Promise.reject(new Error("near")), /far/)],
    ];
    for (const [name, body] of bad) test(name, body);
    test("outer", (t) => t.test("of inner", () => assert.ok(false)));
  });
  const { passed, failures } = await runAll();
  nodeAssert.equal(passed, 3);
  nodeAssert.equal(failures.length, 11);
  nodeAssert.ok(failures.every((said) => said.startsWith(" > suite > ")));
});
