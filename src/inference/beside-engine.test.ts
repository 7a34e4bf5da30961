import assert from "node:assert/strict";
import test from "node:test";
import { BesideEngine } from "./beside-engine.ts";

/** Turns of the event loop: immediates of the first are over, and those that they added. */
async function someTurns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => void setImmediate(resolve));
}

test("work waits until promises have settled, which is how a run is started, and is done once and in order", async () => {
  const beside = new BesideEngine();
  for (const milliseconds of [0, 0.3, 3]) {
    beside.ran(milliseconds);
    const seen: string[] = [];
    beside.add(() => seen.push("first"));
    beside.add(() => seen.push("second"));
    for (let hop = 0; hop < 100; hop++) await Promise.resolve();
    seen.push("run started");
    await someTurns();
    assert.deepEqual(seen, ["run started", "first", "second"]);
  }
});

test("work that is added by work, or later, is done too", async () => {
  const beside = new BesideEngine();
  const seen: string[] = [];
  beside.add(() => {
    seen.push("outer");
    beside.add(() => seen.push("inner"));
  });
  await someTurns();
  assert.deepEqual(seen, ["outer", "inner"]);
  beside.add(() => seen.push("later"));
  await someTurns();
  assert.deepEqual(seen, ["outer", "inner", "later"]);
});
