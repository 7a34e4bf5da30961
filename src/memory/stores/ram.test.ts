import assert from "node:assert/strict";
import { test } from "node:test";
import { storeConformance, type StoreFixture } from "../../../test/conformance/store.ts";
import { InvalidConfigError, StoreError } from "../../errors.ts";
import { RamStore, type RowGather } from "./ram.ts";

async function filled(store: RamStore, { rows }: StoreFixture): Promise<{ store: RamStore }> {
  for (const [row, bytes] of rows) await store.write(Uint32Array.of(row), bytes);
  return { store };
}

/** Small, so that there are many; but not thousands. */
function segmentBytes({ numRows, rowBytes }: StoreFixture): number {
  return rowBytes * Math.max(70, Math.floor(numRows / 10));
}

const plainGather: RowGather = (table, rowBytes, rows, into) => {
  for (const [i, row] of rows.entries())
    into.set(table.subarray(row * rowBytes, (row + 1) * rowBytes), i * rowBytes);
};

storeConformance("RAM", { makeStore: (fixture) => filled(new RamStore(fixture), fixture) });

storeConformance("RAM in many segments", {
  makeStore: (fixture) =>
    filled(new RamStore({ ...fixture, segmentBytes: segmentBytes(fixture) }), fixture),
});

storeConformance("RAM with a gather function", {
  makeStore: (fixture) => filled(new RamStore({ ...fixture, gather: plainGather }), fixture),
});

storeConformance("RAM with a gather function and many segments", {
  makeStore: (fixture) =>
    filled(
      new RamStore({ ...fixture, gather: plainGather, segmentBytes: segmentBytes(fixture) }),
      fixture,
    ),
});

test("segments hold a power of two of whole rows and all of the table", () => {
  const store = new RamStore({ numRows: 1000, rowBytes: 12, segmentBytes: 12 * 130 });
  assert.equal(store.rowsPerSegment, 128);
  assert.deepEqual(
    store.segments.map((segment) => segment.length),
    [...Array.from({ length: 7 }, () => 128 * 12), 104 * 12],
  );
});

test("each segment's memory is shown once to the advice function", () => {
  const seen: number[] = [];
  const store = new RamStore({
    numRows: 100,
    rowBytes: 4,
    segmentBytes: 256,
    advise: (buffer) => seen.push(buffer.byteLength),
  });
  assert.deepEqual(seen, [256, 144]);
  assert.equal(store.segments.length, 2);
});

test("a table of 16 GiB opens at once and keeps rows at its end, without touching the rest", async () => {
  const before = process.memoryUsage.rss();
  const store = new RamStore({ numRows: 2 ** 28, rowBytes: 64 });
  const rows = Uint32Array.of(2 ** 28 - 1, 2 ** 27, 0);
  const bytes = Uint8Array.from({ length: 192 }, (_, i) => i);
  await store.write(rows, bytes);
  const back = new Uint8Array(192);
  await store.read(rows, back);
  assert.deepEqual(back, bytes);
  assert.ok(process.memoryUsage.rss() - before < 2 ** 30, "untouched pages cost nothing");
  await store.close();
});

test("bits of NaN patterns survive the copy", async () => {
  const store = new RamStore({ numRows: 2, rowBytes: 8 });
  // A signalling NaN would come back quiet if the copy went through floats.
  const bytes = Uint8Array.of(1, 0, 0x80, 0x7f, 1, 0, 0x80, 0xff);
  await store.write(Uint32Array.of(1), bytes);
  const back = new Uint8Array(8);
  await store.read(Uint32Array.of(1), back);
  assert.deepEqual(back, bytes);
});

test("impossible sizes are refused with the numbers", () => {
  assert.throws(
    () => new RamStore({ numRows: 2 ** 32, rowBytes: 4 }),
    (error) => error instanceof InvalidConfigError && /4294967296/.test(error.message),
  );
  assert.throws(() => new RamStore({ numRows: 5, rowBytes: 0 }), /got 0/);
  assert.throws(() => new RamStore({ numRows: 5, rowBytes: 64, segmentBytes: 63 }), /64.*63/);
  assert.throws(
    () => new RamStore({ numRows: 2 ** 31, rowBytes: 2 ** 30, segmentBytes: 2 ** 60 }),
    (error) => error instanceof StoreError && /does not fit/.test(error.message),
  );
});
