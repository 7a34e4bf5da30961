import assert from "node:assert/strict";
import { test } from "node:test";
import { storeConformance, type StoreFixture } from "../../../../test/conformance/store.ts";
import { InvalidConfigError, StoreError } from "../../../errors.ts";
import { RamStore } from "./ram.ts";

async function filled(store: RamStore, { rows }: StoreFixture): Promise<{ store: RamStore }> {
  for (const [row, bytes] of rows) await store.write(Uint32Array.of(row), bytes);
  return { store };
}

/** Small, so that there are many; but not thousands. */
function segmentBytes({ numRows, rowBytes }: StoreFixture): number {
  return rowBytes * Math.max(70, Math.floor(numRows / 10));
}

for (const [name, wasmFromBytes] of [
  ["WebAssembly", 0],
  ["loops", Infinity],
] as const) {
  storeConformance(`RAM, ${name}`, {
    makeStore: (fixture) => filled(new RamStore({ ...fixture, wasmFromBytes }), fixture),
  });

  storeConformance(`RAM in many segments, ${name}`, {
    makeStore: (fixture) =>
      filled(
        new RamStore({ ...fixture, wasmFromBytes, segmentBytes: segmentBytes(fixture) }),
        fixture,
      ),
  });

  test(`rows of every size up to 200 bytes are copied whole and alone (${name})`, async () => {
    for (let rowBytes = 1; rowBytes <= 200; rowBytes++) {
      const store = new RamStore({ numRows: 7, rowBytes, wasmFromBytes });
      const rows = Uint32Array.of(6, 0, 3);
      const bytes = Uint8Array.from({ length: 3 * rowBytes }, (_, i) => 1 + (i % 255));
      await store.write(rows, bytes);
      const back = new Uint8Array(7 * rowBytes);
      await store.read(Uint32Array.of(0, 1, 2, 3, 4, 5, 6), back);
      const expected = new Uint8Array(7 * rowBytes);
      for (const [i, row] of rows.entries())
        expected.set(bytes.subarray(i * rowBytes, (i + 1) * rowBytes), row * rowBytes);
      assert.deepEqual(back, expected, `${rowBytes} bytes`);
    }
  });
}

test("small tables do without WebAssembly and behave the same", async () => {
  const small = new RamStore({ numRows: 10, rowBytes: 8 });
  const bytes = Uint8Array.from({ length: 80 }, (_, i) => i);
  await small.write(
    Uint32Array.from({ length: 10 }, (_, row) => row),
    bytes,
  );
  const back = new Uint8Array(16);
  await small.read(Uint32Array.of(9, 0), back);
  assert.deepEqual([...back], [...bytes.subarray(72), ...bytes.subarray(0, 8)]);
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
    () => new RamStore({ numRows: 2 ** 31, rowBytes: 2 ** 32 }),
    (error) => error instanceof StoreError && /8589934592 GiB.*does not fit/.test(error.message),
  );
});

test("a page that may not share memory has tables, too", async () => {
  const { SharedArrayBuffer: shared } = globalThis;
  Reflect.deleteProperty(globalThis, "SharedArrayBuffer");
  try {
    const store = new RamStore({ numRows: 100, rowBytes: 4, segmentBytes: 256 });
    const rows = Uint32Array.of(99, 3);
    await store.write(rows, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    const back = new Uint8Array(8);
    await store.read(rows, back);
    assert.deepEqual([...back], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert.ok(store.segments.every(({ buffer }) => buffer instanceof ArrayBuffer));
  } finally {
    globalThis.SharedArrayBuffer = shared;
  }
});
