import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { Successors } from "./successors.ts";

test("the likeliest successors come first, and only those of the id", () => {
  const seen = new Successors(10);
  for (const next of [3, 4, 4, 5, 4, 5]) seen.add(2, next);
  seen.add(3, 9);
  assert.deepEqual(seen.after(2, 4), [4, 5, 3]);
  assert.deepEqual(seen.after(2, 1), [4]);
  assert.deepEqual(seen.after(3, 4), [9]);
  assert.deepEqual(seen.after(9, 4), []);
});

test("dead positions follow nothing and lead to nothing", () => {
  const seen = new Successors(4);
  seen.add(-1, 2);
  seen.add(2, -1);
  assert.deepEqual(seen.after(-1, 4), []);
  assert.deepEqual(seen.after(2, 4), []);
});

test("an id that follows more than one time in so many places is among the successors, whatever came when", () => {
  // Space-saving: a count of more than n / places is never lost.
  const stream = fc.array(fc.nat(30), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(stream, (nexts) => {
      const seen = new Successors(1, { places: 4 });
      const counts = new Map<number, number>();
      for (const next of nexts) {
        seen.add(0, next);
        counts.set(next, (counts.get(next) ?? 0) + 1);
      }
      const kept = seen.after(0, 4);
      for (const [next, count] of counts)
        if (count > nexts.length / 4) assert.ok(kept.includes(next), `${next} of ${nexts}`);
    }),
  );
});
