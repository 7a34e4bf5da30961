import assert from "node:assert/strict";
import { test } from "node:test";
import { storeConformance } from "../../../../test/conformance/store.ts";
import { StoreError } from "../../../errors.ts";
import { measured, RamStore, type RowStore } from "../../index.ts";

storeConformance("a meter over RAM", {
  makeStore: async ({ numRows, rowBytes, rows }) => {
    const inner = new RamStore({ numRows, rowBytes });
    for (const [row, content] of rows) inner.writeSync(Uint32Array.of(row), content);
    return { store: measured(inner) };
  },
});

test("reads, rows, bytes, failures and times are counted as they were", async () => {
  let time = 0;
  const delays = [...Array.from({ length: 98 }, () => 1), 50, 50];
  const inner: RowStore = {
    numRows: 10,
    rowBytes: 8,
    async read(rows) {
      const delay = delays[rows.at(0) === 9 ? 0 : calls++]!;
      time += delay;
      if (rows[0] === 9) throw new StoreError("no");
    },
    async close() {},
  };
  let calls = 0;
  const store = measured(inner, { now: () => time });
  for (let i = 0; i < 100; i++) await store.read(Uint32Array.of(1, 1, 2), new Uint8Array(24));
  await assert.rejects(store.read(Uint32Array.of(9), new Uint8Array(8)), /no/);
  const { reads, rowsRead, bytesRead, failures, inFlight, readTime } = store.stats;
  assert.deepEqual([reads, rowsRead, bytesRead], [100, 300, 2400]);
  assert.deepEqual([failures, inFlight], [1, 0]);
  assert.equal(readTime.total, 198);
  assert.equal(readTime.max, 50);
  assert.ok(readTime.p50 >= 1 && readTime.p50 <= 1.1, `${readTime.p50}`);
  assert.ok(readTime.p99 >= 50 / 1.1 && readTime.p99 <= 50, `${readTime.p99}`);
  // Two different times fall into two buckets, each below its own upper end by a tenth at most.
  const [short, long, ...more] = store.stats.readTimes;
  assert.deepEqual([short!.count, long!.count, more.length], [98, 2, 0]);
  assert.ok(short!.upTo >= 1 && short!.upTo <= 1.1 && long!.upTo >= 50 && long!.upTo <= 55);
  assert.equal(store.write, undefined, "what cannot be written does not become writable");
});

test("the most reads under way together are known", async () => {
  const waiting: (() => void)[] = [];
  const store = measured({
    numRows: 3,
    rowBytes: 1,
    read: () => new Promise<void>((resolve) => waiting.push(resolve)),
    async close() {},
  });
  const under = [0, 1, 2].map((row) => store.read(Uint32Array.of(row), new Uint8Array(1)));
  assert.equal(store.stats.inFlight, 3);
  for (const resolve of waiting) resolve();
  await Promise.all(under);
  assert.deepEqual([store.stats.inFlight, store.stats.maxInFlight], [0, 3]);
});
