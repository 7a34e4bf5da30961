import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { storeConformance } from "../../../../test/conformance/store.ts";
import { InvalidConfigError } from "../../../errors.ts";
import { counted, RamStore, type RowStore } from "../../index.ts";

storeConformance("a count over RAM", {
  makeStore: async ({ numRows, rowBytes, rows }) => {
    const inner = new RamStore({ numRows, rowBytes });
    for (const [row, content] of rows) inner.writeSync(Uint32Array.of(row), content);
    return { store: counted(inner, { maxBlocks: 7 }) };
  },
});

test("the reads of any bins are what a list of all reads says", async () => {
  const row = fc.nat({ max: 99 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(row, { maxLength: 20 }), { maxLength: 10 }),
      row,
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 100 }),
      async (batches, from, length, parts) => {
        const store = counted(new RamStore({ numRows: 100, rowBytes: 1 }));
        for (const rows of batches) await store.read(Uint32Array.from(rows), new Uint8Array(20));
        const to = Math.min(100, from + length);
        const bins = Math.min(parts, to - from);
        const expected = Array.from({ length: bins }, () => 0);
        for (const one of batches.flat())
          for (let bin = 0; bin < bins; bin++) {
            const begin = Math.floor(from + (bin * (to - from)) / bins);
            const end = Math.floor(from + ((bin + 1) * (to - from)) / bins);
            if (one >= begin && one < end) expected[bin]!++;
          }
        assert.deepEqual([...store.reads({ from, to, bins })], expected);
      },
    ),
  );
});

test("larger tables are counted in blocks, whose reads are dealt out by shares and never lost", async () => {
  const store = counted(new RamStore({ numRows: 100, rowBytes: 1 }), { maxBlocks: 10 });
  assert.equal(store.rowsPerBlock, 16);
  await store.read(Uint32Array.of(0, 15, 16, 97, 99), new Uint8Array(5));
  // Block 0..15 has two reads, 16..31 one, the last of 96..99 two.
  assert.deepEqual([...store.reads({ from: 0, to: 16, bins: 4 })], [0.5, 0.5, 0.5, 0.5]);
  assert.deepEqual([...store.reads({ from: 8, to: 24, bins: 1 })], [1.5]);
  assert.deepEqual([...store.reads({ from: 96, to: 100, bins: 4 })], [0.5, 0.5, 0.5, 0.5]);
  assert.deepEqual([...store.reads({ from: 0, to: 100, bins: 1 })], [5]);
});

test("bins that are no parts of the table are refused, and what can only be read stays so", () => {
  const inner: RowStore = { numRows: 10, rowBytes: 1, async read() {}, async close() {} };
  const store = counted(inner);
  assert.equal(store.write, undefined);
  for (const bins of [
    { from: 0, to: 11, bins: 1 },
    { from: 5, to: 5, bins: 1 },
    { from: -1, to: 5, bins: 1 },
    { from: 0, to: 5, bins: 6 },
    { from: 0, to: 5, bins: 0 },
    { from: 0.5, to: 5, bins: 1 },
  ])
    assert.throws(() => store.reads(bins), InvalidConfigError, JSON.stringify(bins));
});
