import assert from "node:assert/strict";
import test from "node:test";
import { interleaved, inTurns } from "./schedule.ts";

test("all arms of a seed come together, and each seed begins with another arm", () => {
  assert.deepEqual(
    interleaved(["a", "b", "c"], [7, 8]).map(({ arm, seed }) => `${arm}${seed}`),
    ["a7", "b7", "c7", "b8", "c8", "a8"],
  );
});

test("parts are done in rounds, so many at a time, and what is done does not come again", async () => {
  for (const parallel of [1, 2]) {
    const left = new Map([
      ["a", 3],
      ["b", 1],
      ["c", 2],
    ]);
    const order: string[] = [];
    let now = 0;
    let most = 0;
    const underWay = new Set<string>();
    await inTurns([...left.keys()], {
      parallel,
      onFailure: () => assert.fail(),
      async step(item) {
        assert.ok(!underWay.has(item), "an item is done twice at once");
        underWay.add(item);
        most = Math.max(most, ++now);
        order.push(item);
        await Promise.resolve();
        now--;
        underWay.delete(item);
        left.set(item, left.get(item)! - 1);
        return left.get(item) === 0 ? "done" : "again";
      },
    });
    assert.equal(order.join(""), "abcaca");
    assert.equal(most, parallel);
  }
});

test("a failure is told at once, ends what would follow, and what is under way is waited for", async () => {
  const seen: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  await assert.rejects(
    inTurns(["bad", "slow", "never"], {
      parallel: 2,
      onFailure: () => {
        seen.push("told");
        resolve();
      },
      async step(item) {
        if (item === "bad") throw new Error("bad luck");
        await promise;
        seen.push(item);
        return "done";
      },
    }),
    /bad luck/,
  );
  assert.deepEqual(seen, ["told", "slow"]);
});
