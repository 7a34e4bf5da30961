import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { rowPattern, storeConformance } from "../../../../test/conformance/store.ts";
import { InvalidConfigError, StoreError } from "../../../errors.ts";
import {
  cached,
  type CachePolicy,
  RamStore,
  type RowStore,
  type WritableRowStore,
} from "../../index.ts";

const policies: readonly CachePolicy[] = ["lru", "frequency", "windowed", "none"];

function filledRam({ numRows, rowBytes }: { numRows: number; rowBytes: number }): RamStore {
  const store = new RamStore({ numRows, rowBytes });
  for (let row = 0; row < numRows; row++)
    store.writeSync(Uint32Array.of(row), rowPattern(row, rowBytes));
  return store;
}

for (const [policy, bytes] of [
  ["lru", 4096],
  ["frequency", 4096],
  ["frequency", 1 << 20],
  ["windowed", 4096],
  ["none", 4096],
] as const)
  storeConformance(`${policy} cache of ${bytes} bytes over RAM`, {
    makeStore: async ({ numRows, rowBytes, rows }) => {
      const inner = new RamStore({ numRows, rowBytes });
      for (const [row, content] of rows) inner.writeSync(Uint32Array.of(row), content);
      return { store: cached(inner, { bytes, policy }) };
    },
  });

/** A store of 4-byte rows whose reads and writes happen when the scheduler says so. */
function slowStore(numRows: number, scheduler: fc.Scheduler) {
  const values = new Uint32Array(numRows);
  const asked: number[][] = [];
  const store: WritableRowStore = {
    numRows,
    rowBytes: 4,
    async read(rows, into) {
      asked.push([...rows]);
      const wanted = rows.slice();
      await scheduler.schedule(Promise.resolve(), "read starts");
      const answer = Uint32Array.from(wanted, (row) => values[row]!);
      await scheduler.schedule(Promise.resolve(), "read ends");
      into.set(new Uint8Array(answer.buffer));
    },
    async write(rows, from) {
      const wanted = rows.slice();
      const fresh = new Uint32Array(from.slice(0, 4 * wanted.length).buffer);
      await scheduler.schedule(Promise.resolve(), "write starts");
      for (const [i, row] of wanted.entries()) values[row] = fresh[i]!;
      await scheduler.schedule(Promise.resolve(), "write ends");
    },
    async close() {},
  };
  return { store, values, asked };
}

const numRows = 12;
const batch = fc.array(fc.nat(numRows - 1), { minLength: 1, maxLength: 6 });
const operation = fc.oneof(
  fc.record({ kind: fc.constant("read" as const), rows: batch }),
  fc.record({ kind: fc.constant("prefetch" as const), rows: batch }),
  fc.record({
    kind: fc.constant("write" as const),
    rows: fc.uniqueArray(fc.nat(numRows - 1), { minLength: 1, maxLength: 4 }),
  }),
);

interface Written {
  readonly value: number;
  readonly start: number;
  end: number;
}

for (const policy of policies)
  test(`reads and writes in any order, under way together, never give a row that was overwritten before (${policy})`, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(operation, { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 300, max: 1500 }),
        async (scheduler, operations, bytes) => {
          const { store: inner, values } = slowStore(numRows, scheduler);
          const store = cached(inner, { bytes, policy }) as unknown as WritableRowStore;
          let clock = 0;
          let nextValue = 1;
          const history = new Map<number, Written[]>();
          const writtenTo = (row: number): Written[] => orInsert(history, row);
          const read = async (rows: number[]): Promise<void> => {
            const start = ++clock;
            const into = new Uint8Array(4 * rows.length);
            await store.read(Uint32Array.from(rows), into);
            const end = ++clock;
            for (const [i, value] of new Uint32Array(into.buffer).entries()) {
              const all = [{ value: 0, start: -1, end: 0 }, ...writtenTo(rows[i]!)];
              const source = all.find((write) => write.value === value);
              assert.ok(source !== undefined && source.start < end, `row ${rows[i]}: ${value}`);
              const isOld = all.some((w) => w.start > source.end && w.end < start);
              assert.ok(!isOld, `row ${rows[i]} has ${value}, overwritten before it was asked for`);
            }
          };
          const write = async (rows: number[]): Promise<void> => {
            const start = ++clock;
            const fresh = Uint32Array.from(rows, () => nextValue++);
            const writes = rows.map((_, i) => ({ value: fresh[i]!, start, end: Infinity }));
            for (const [i, row] of rows.entries()) writtenTo(row).push(writes[i]!);
            await store.write(Uint32Array.from(rows), new Uint8Array(fresh.buffer));
            const end = ++clock;
            for (const one of writes) one.end = end;
          };
          const launched = scheduler.scheduleSequence(
            operations.map(({ kind, rows }) => async () => {
              if (kind === "prefetch") store.prefetch?.(Uint32Array.from(rows));
              // Not awaited: the next operation starts while this one is under way.
              else under.push(kind === "read" ? read(rows) : write(rows));
            }),
          );
          const under: Promise<void>[] = [];
          await scheduler.waitFor(launched.task);
          await scheduler.waitFor(Promise.all(under));
          const all = Uint32Array.from({ length: numRows }, (_, row) => row);
          for (let turn = 0; turn < 2; turn++) {
            const into = new Uint8Array(4 * numRows);
            await scheduler.waitFor(store.read(all, into));
            assert.deepEqual(new Uint32Array(into.buffer), values, "at rest");
          }
        },
      ),
      { numRuns: 300 },
    );
  });

function orInsert(map: Map<number, Written[]>, row: number): Written[] {
  const list = map.get(row) ?? [];
  map.set(row, list);
  return list;
}

async function readAll(
  store: { read(r: Uint32Array, i: Uint8Array): Promise<void> },
  rows: number[],
) {
  await store.read(Uint32Array.from(rows), new Uint8Array(rows.length * 64));
}

test("the footprint stays within the bytes given, and the rows kept within its slots", async () => {
  for (const policy of policies)
    for (const bytes of [1000, 10_000, 123_456]) {
      const store = cached(filledRam({ numRows: 5000, rowBytes: 64 }), { bytes, policy });
      const { capacityRows, capacityBytes } = store.stats;
      assert.ok(capacityBytes <= bytes, `${capacityBytes} of ${bytes}`);
      assert.ok(capacityRows * 64 > bytes / 4, "most of it is rows");
      for (let first = 0; first < 5000; first += 500)
        await readAll(
          store,
          Array.from({ length: 500 }, (_, i) => first + i),
        );
      assert.ok(store.stats.residentRows <= capacityRows);
      assert.equal(store.stats.misses, 5000);
    }
});

/** Rows of a cache that holds exactly this many. */
async function holding(policy: CachePolicy, rows: number) {
  let bytes = 300;
  const inner = filledRam({ numRows: 1000, rowBytes: 64 });
  for (;;) {
    const store = cached(inner, { bytes, policy });
    if (store.stats.capacityRows === rows) return store;
    bytes += 16;
  }
}

test("LRU puts out the row used longest ago", async () => {
  const store = await holding("lru", 3);
  await readAll(store, [1, 2, 3]);
  await readAll(store, [1]);
  await readAll(store, [4]);
  await readAll(store, [1, 3, 4]);
  assert.equal(store.stats.hits, 4);
  assert.equal(store.stats.evictions, 1);
});

test("frequency lets no row in that was asked for less often than the one it would put out", async () => {
  const store = await holding("frequency", 3);
  for (let i = 0; i < 5; i++) await readAll(store, [1, 2, 3]);
  for (let row = 10; row < 20; row++) await readAll(store, [row]);
  const before = store.stats.hits;
  await readAll(store, [1, 2, 3]);
  assert.equal(store.stats.hits - before, 3, "a scan pushed nothing out");
  for (let i = 0; i < 10; i++) await readAll(store, [50]);
  assert.equal(store.stats.evictions, 1, "a row that became hot came in");
});

test("without a policy the first rows stay", async () => {
  const store = await holding("none", 3);
  await readAll(store, [7, 8, 9]);
  for (let i = 0; i < 10; i++) await readAll(store, [50]);
  const before = store.stats.hits;
  await readAll(store, [7, 8, 9]);
  assert.equal(store.stats.hits - before, 3);
  assert.equal(store.stats.evictions, 0);
});

test("warming brings in the most used rows, and they stay against rows of lesser count", async () => {
  const store = await holding("frequency", 3);
  const rows = Uint32Array.of(5, 100, 7, 200, 9);
  await store.warm({ rows, counts: Uint32Array.of(2, 50, 1, 60, 70) });
  assert.equal(store.stats.residentRows, 3);
  await readAll(store, [300, 301, 5]);
  await readAll(store, [9, 100, 200]);
  assert.equal(store.stats.hits, 3);
  await assert.rejects(
    store.warm({ rows: Uint32Array.of(1000), counts: Uint32Array.of(1) }),
    StoreError,
  );
  await assert.rejects(
    store.warm({ rows, counts: Uint32Array.of(1) }),
    (error) => error instanceof InvalidConfigError && /5 rows and 1 counts/.test(error.message),
  );
});

test("warming begins no read while somebody waits for one", async () => {
  const begun: number[][] = [];
  const waiting: (() => void)[] = [];
  const slow: RowStore = {
    numRows: 100,
    rowBytes: 4,
    async read(rows) {
      begun.push([...rows]);
      await new Promise<void>((resolve) => waiting.push(resolve));
    },
    close: async () => undefined,
  };
  const store = cached(slow, { bytes: 10_000 });
  const asked = store.read(Uint32Array.of(50), new Uint8Array(4));
  const warming = store.warm({ rows: Uint32Array.of(7, 8), counts: Uint32Array.of(3, 2) });
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.deepEqual(begun, [[50]]);
  waiting[0]!();
  await asked;
  for (let i = 0; i < 20; i++) await Promise.resolve();
  assert.deepEqual(begun, [[50], [7, 8]]);
  waiting[1]!();
  await warming;
  assert.equal(store.stats.warmedRows, 2);
  assert.equal(store.stats.residentRows, 3);
});

test("a row missed by several reads at a time, or many times in one, is read once", async () => {
  const scheduler = { schedule: (p: Promise<void>) => p } as unknown as fc.Scheduler;
  const { store: inner, asked } = slowStore(20, scheduler);
  const store = cached(inner, { bytes: 5000, policy: "lru" });
  const read = (rows: number[]): Promise<void> =>
    store.read(Uint32Array.from(rows), new Uint8Array(4 * rows.length));
  await Promise.all([read([3, 3, 4]), read([4, 5]), read([3])]);
  assert.deepEqual(asked, [[3, 4], [5]]);
  assert.equal(store.stats.joined, 2);
});

test("a hint is used once asked for, and a wrong one pushes nothing out", async () => {
  const scheduler = { schedule: (p: Promise<void>) => p } as unknown as fc.Scheduler;
  const { store: inner, asked } = slowStore(5000, scheduler);
  const store = cached(inner, { bytes: 10_000, policy: "lru" });
  const read = (rows: number[]): Promise<void> =>
    store.read(Uint32Array.from(rows), new Uint8Array(4 * rows.length));
  store.prefetch(Uint32Array.of(8, 9, 8));
  await read([8]);
  assert.deepEqual(asked, [[8, 9]]);
  assert.equal(store.stats.prefetchHits, 1);
  for (let row = 1000; row < 4000; row += 5)
    store.prefetch(Uint32Array.of(row, row + 1, row + 2, row + 3, row + 4));
  const { evictions, prefetchedRows, prefetchesWasted, residentRows } = store.stats;
  assert.equal(evictions, 0);
  assert.equal(residentRows, 1);
  assert.ok(
    prefetchedRows - prefetchesWasted <= 10_000 / 8 / 100,
    "the prefetch buffer is bounded",
  );
  await read([8]);
  assert.equal(store.stats.hits, 1);
});

test("a hint that fails costs nothing but the time; the read itself says what is wrong", async () => {
  let isBroken = true;
  const ram = filledRam({ numRows: 10, rowBytes: 4 });
  const store = cached(
    {
      numRows: 10,
      rowBytes: 4,
      async read(rows, into) {
        await Promise.resolve();
        if (isBroken) throw new StoreError("the disk is on fire");
        await ram.read(rows, into);
      },
      close: () => ram.close(),
    },
    { bytes: 4000, policy: "lru" },
  );
  store.prefetch(Uint32Array.of(1));
  const into = new Uint8Array(4);
  await assert.rejects(store.read(Uint32Array.of(1), into), /on fire/);
  store.prefetch(Uint32Array.of(2));
  isBroken = false;
  await store.read(Uint32Array.of(2), into);
  assert.deepEqual(into, rowPattern(2, 4));
});

test("too few bytes for one row are refused with both numbers", () => {
  assert.throws(
    () => cached(filledRam({ numRows: 4, rowBytes: 264 }), { bytes: 200, policy: "lru" }),
    (error) => error instanceof InvalidConfigError && /264 bytes.*got 200/.test(error.message),
  );
});

test("rows that the other store has at hand are served without waiting, and kept", async () => {
  const inner = filledRam({ numRows: 1000, rowBytes: 64 });
  const store = cached(inner, { bytes: 64 * 1024 });
  const into = new Uint8Array(3 * 64);
  assert.equal(store.readNow(Uint32Array.of(5, 900, 5), into), true);
  const expected = new Uint8Array(3 * 64);
  inner.readSync(Uint32Array.of(5, 900, 5), expected);
  assert.deepEqual(into, expected);
  assert.equal(store.stats.residentRows, 2);
  assert.equal(store.stats.bytesRead, 2 * 64);
  assert.equal(store.readNow(Uint32Array.of(900, 5, 5), into), true);
  const { hits, misses } = store.stats;
  assert.deepEqual([hits, misses], [3, 3]);
});

test("hints wait while a read does, go newest first, a few rows at a time, and yield to a read of the same row", async () => {
  const asked: number[][] = [];
  const doors: (() => void)[] = [];
  const slow = {
    numRows: 10_000,
    rowBytes: 4,
    read(rows: Uint32Array) {
      asked.push([...rows]);
      return new Promise<void>((resolve) => doors.push(resolve));
    },
    close: async () => undefined,
  };
  const store = cached(slow, { bytes: 1 << 20 });
  const open = async (): Promise<void> => {
    doors.shift()!();
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const from = (first: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => first + i);
  const read = store.read(Uint32Array.of(1), new Uint8Array(4));
  store.prefetch(Uint32Array.from(from(100, 20)));
  store.prefetch(Uint32Array.from(from(200, 10)));
  assert.deepEqual(asked, [[1]], "a read is under way");
  await open();
  await read;
  assert.deepEqual(asked.slice(1), [from(200, 8), [208, 209, ...from(100, 6)]]);
  const late = store.read(Uint32Array.of(115, 204), new Uint8Array(8));
  assert.deepEqual(asked.slice(3), [[115]], "204 is on its way, 115 was only queued");
  for (let i = 0; i < 3; i++) await open();
  await late;
  assert.deepEqual(asked.slice(4), [from(106, 8), [114, ...from(116, 4)]]);
});
