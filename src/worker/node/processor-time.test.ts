import assert from "node:assert/strict";
import { test } from "node:test";
import { afterProcessorTime } from "./processor-time.ts";

/** Resolves to the milliseconds by the clock until it was called, with a processor that has `share` of the clock. */
async function calledAfter(limit: number, share: number): Promise<number> {
  const begun = performance.now();
  await new Promise<void>((resolve) => {
    afterProcessorTime(resolve, limit, () => share * performance.now());
  });
  return performance.now() - begun;
}

test("a limit is of the processor's time, never less than the clock, and at most ten times of it", async () => {
  const [alone, among, idle, many] = await Promise.all(
    [1, 0.25, 0, 4].map((share) => calledAfter(40, share)),
  );
  assert.ok(alone! >= 40 && many! >= 40);
  assert.ok(among! >= 160);
  assert.ok(idle! >= 400);
});

test("a limit that is cleared is never reached", async () => {
  const timer = afterProcessorTime(
    () => assert.fail("it was called"),
    10,
    () => Infinity,
  );
  clearTimeout(timer);
  await calledAfter(20, 1);
});
