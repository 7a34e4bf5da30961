import assert from "node:assert/strict";
import test from "node:test";
import { closeAll, DisposalStack } from "./disposal-stack.ts";

test("what was adopted is closed in reverse, once, unless it was moved", async () => {
  const closed: string[] = [];
  const open = async (isWhole: boolean): Promise<DisposalStack> => {
    await using stack = new DisposalStack();
    for (const name of ["a", "b", "c"]) stack.adopt(name, async (one) => closed.push(one));
    if (!isWhole) throw new Error("the last step failed");
    return stack.move();
  };
  await assert.rejects(open(false), /the last step failed/);
  assert.deepEqual(closed.splice(0), ["c", "b", "a"]);
  const owned = await open(true);
  assert.deepEqual(closed, []);
  for (let i = 0; i < 2; i++) await owned[Symbol.asyncDispose]();
  assert.deepEqual(closed, ["c", "b", "a"]);
});

test("all are closed even where some cannot be, and what failed is told", async () => {
  const closed: number[] = [];
  const owner = (n: number, fails: boolean): { close(): Promise<void> } => ({
    async close() {
      closed.push(n);
      if (fails) throw new Error(`${n} failed`);
    },
  });
  await assert.rejects(
    closeAll([owner(1, false), owner(2, true), owner(3, false)]),
    /^Error: 2 failed/,
  );
  assert.deepEqual(closed.splice(0), [3, 2, 1]);
  const error = await closeAll([owner(1, true), owner(2, true)]).catch((reason: unknown) => reason);
  assert.ok(error instanceof AggregateError);
  assert.deepEqual(error.errors.map(String), ["Error: 2 failed", "Error: 1 failed"]);
  assert.deepEqual(closed, [2, 1]);
});
