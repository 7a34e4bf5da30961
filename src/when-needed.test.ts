/** What is made when it is needed: once, again after a failure, and closed where it was made. */
import assert from "node:assert/strict";
import test from "node:test";
import { whenNeeded } from "./when-needed.ts";

test("it is made with the first call alone, for all who ask", async () => {
  let made = 0;
  const get = whenNeeded(async () => ++made);
  assert.equal(made, 0);
  assert.deepEqual(await Promise.all([get(), get()]), [1, 1]);
  assert.equal(await get(), 1);
});

test("after a failure, which all hear who waited, the next call tries again", async () => {
  let tries = 0;
  const get = whenNeeded(async () => {
    if (++tries < 2) throw new Error("the network is away");
    return tries;
  });
  const results = await Promise.allSettled([get(), get()]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected"],
  );
  assert.equal(await get(), 2);
  assert.equal(await get(), 2);
});

test("work is done with what was made or is being made, and nothing is made for it", async () => {
  let made = 0;
  const seen: number[] = [];
  const get = whenNeeded(async () => ++made);
  await get.ifMade((one) => seen.push(one));
  assert.deepEqual([made, seen], [0, []]);
  const asked = get();
  await get.ifMade((one) => seen.push(one));
  assert.deepEqual(seen, [await asked]);
  const failing = whenNeeded(async () => Promise.reject(new Error("no")));
  const failed = failing();
  await failing.ifMade(() => assert.fail("nothing was made"));
  await assert.rejects(failed, /no/);
});
