import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { RowDeduper } from "./index.ts";

test("each row is found once, in order of first use, whatever came in earlier batches", () => {
  const row = fc.oneof(
    fc.nat(30),
    fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    fc.constant(0xffffffff),
  );
  const deduper = new RowDeduper();
  fc.assert(
    fc.property(fc.array(row, { maxLength: 200 }), (rows) => {
      const { unique, index } = deduper.dedupe(Uint32Array.from(rows));
      assert.deepEqual([...unique], [...new Set(rows)]);
      assert.deepEqual(
        Array.from(index, (place) => unique[place]),
        rows,
      );
    }),
    { numRuns: 500 },
  );
});

test("rows that hash to the same slot are told apart", () => {
  // Equal after multiplication by the golden ratio up to the low bits: neighbours in the table.
  const inverse = 0xe8b2f51; // of 0x9e3779b1 modulo 2^32
  const rows = Uint32Array.from({ length: 1000 }, (_, i) => Math.imul(i, inverse) >>> 0);
  assert.equal(Math.imul(inverse, 0x9e3779b1) >>> 0, 1);
  const { unique, index } = new RowDeduper().dedupe(rows);
  assert.equal(unique.length, 1000);
  assert.deepEqual([...index], [...rows.keys()]);
});

test("no rows give no rows", () => {
  const { unique, index } = new RowDeduper().dedupe(new Uint32Array(0));
  assert.equal(unique.length + index.length, 0);
});

test("a smaller batch after a larger one reuses the memory", () => {
  const deduper = new RowDeduper();
  const first = deduper.dedupe(Uint32Array.from({ length: 5000 }, (_, i) => i));
  const second = deduper.dedupe(Uint32Array.of(4, 4, 9));
  assert.equal(second.unique.buffer, first.unique.buffer);
  assert.deepEqual([...second.unique], [4, 9]);
});
