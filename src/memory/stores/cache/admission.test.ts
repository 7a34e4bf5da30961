/** Policies by themselves: which rows stay, whatever happens to them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type CachePolicy, createAdmission } from "./admission.ts";

const policies: readonly CachePolicy[] = ["lru", "frequency", "windowed", "none"];

/** Reads `row` as a cache does; says whether it was there. */
function read(admission: ReturnType<typeof createAdmission>, row: number): boolean {
  const slot = admission.slots.find(row);
  admission.asked(row, slot);
  if (slot < 0) admission.admit(row);
  return slot >= 0;
}

for (const policy of policies)
  test(`whatever is read, kept and removed, no row has two slots and none is lost (${policy})`, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.array(fc.tuple(fc.constantFrom("read", "keep", "remove"), fc.nat(20)), {
          maxLength: 200,
        }),
        (capacity, steps) => {
          const admission = createAdmission(policy, capacity);
          const { slots } = admission;
          for (const [kind, row] of steps) {
            if (kind === "remove") slots.remove(row);
            else if (kind === "read") read(admission, row);
            else if (!slots.isFull && slots.find(row) < 0) admission.keep(row);
            const held = Array.from({ length: 21 }, (_, r) => slots.find(r)).filter((s) => s >= 0);
            assert.equal(held.length, slots.size);
            assert.equal(new Set(held).size, slots.size);
            assert.ok(slots.size <= capacity && held.every((slot) => slot < capacity));
            const sizes =
              policy === "windowed" ? [0, 1, 2].map((l) => slots.sizeOf(l)) : [slots.sizeOf(0)];
            assert.equal(
              sizes.reduce((a, b) => a + b),
              slots.size,
            );
          }
        },
      ),
    );
  });

test("with a window, rows used often outlive a long run of rows used once, which they do not under LRU", () => {
  const survivors = (policy: CachePolicy): number => {
    const admission = createAdmission(policy, 100);
    const often = Array.from({ length: 40 }, (_, row) => row);
    for (let round = 0; round < 4; round++) for (const row of often) read(admission, row);
    for (let row = 1000; row < 1500; row++) read(admission, row);
    return often.filter((row) => admission.slots.find(row) >= 0).length;
  };
  assert.equal(survivors("lru"), 0);
  assert.ok(survivors("windowed") > 30, `${survivors("windowed")} of 40`);
});

test("with a window, a row that was missed a moment ago is there, however rare it is", () => {
  const admission = createAdmission("windowed", 100);
  for (let round = 0; round < 20; round++) for (let row = 0; row < 100; row++) read(admission, row);
  read(admission, 5000);
  assert.equal(read(admission, 5000), true);
});

test("what is usual changes: rows that were hot give way to those that are", () => {
  const admission = createAdmission("windowed", 50);
  for (let round = 0; round < 30; round++) for (let row = 0; row < 40; row++) read(admission, row);
  for (let round = 0; round < 200; round++)
    for (let row = 100; row < 140; row++) read(admission, row);
  let hits = 0;
  for (let row = 100; row < 140; row++) if (read(admission, row)) hits++;
  assert.ok(hits >= 35, `${hits} of 40`);
});
