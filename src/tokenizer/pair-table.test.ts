import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { PairTable } from "./pair-table.ts";

test("a pair table answers like a map while it grows", () => {
  const entry = fc.tuple(fc.nat(40), fc.nat(40), fc.nat(2 ** 30));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 1500, size: "max" }), (entries) => {
      const table = new PairTable(0);
      const map = new Map<string, number>();
      for (const [left, right, value] of entries) {
        table.set(left, right, value);
        map.set(`${left} ${right}`, value);
      }
      assert.equal(table.size, map.size);
      for (let left = 0; left <= 40; left++)
        for (let right = 0; right <= 40; right++)
          assert.equal(table.get(left, right), map.get(`${left} ${right}`) ?? -1);
    }),
    { numRuns: 30 },
  );
});
