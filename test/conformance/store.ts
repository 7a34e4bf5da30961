/**
 * What every row store must do, as tests. A store's own test file calls `storeConformance` with a
 * function that makes one; it then has all of these. Knows no store by name.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { StoreError } from "../../src/errors.ts";
import { type RowStore, storesFrom, type WritableRowStore } from "../../src/memory/index.ts";

export interface StoreFixture {
  readonly numRows: number;
  readonly rowBytes: number;
  /** Rows to put into the table before the test; all others are zeros. */
  readonly rows: ReadonlyMap<number, Uint8Array>;
}

export interface StoreConformanceOptions {
  /** Makes the store; `dispose` is called after its `close`. */
  readonly makeStore: (
    fixture: StoreFixture,
  ) => Promise<{ store: RowStore; dispose?: () => Promise<void> }>;
  /** Skips the table of more than 2^32 bytes, for stores that cannot hold one sparsely. */
  readonly skipLarge?: boolean;
}

/** Bytes that tell which row they belong to, at every position. */
export function rowPattern(row: number, rowBytes: number): Uint8Array {
  return Uint8Array.from(
    { length: rowBytes },
    (_, i) => Math.imul(row + 1, 2654435761 + 2 * i) >>> 24,
  );
}

/** By `read`, and by `readNow` before and after it, which must not differ where it has an answer. */
async function readRows(store: RowStore, rows: readonly number[]): Promise<Uint8Array[]> {
  const { rowBytes } = store;
  const asked = Uint32Array.from(rows);
  const into = new Uint8Array(rows.length * rowBytes);
  const early = new Uint8Array(rows.length * rowBytes);
  const isEarly = store.readNow?.(asked, early);
  await store.read(asked, into);
  if (isEarly === true) assert.deepEqual(early, into, "readNow before read");
  const late = new Uint8Array(rows.length * rowBytes);
  if (store.readNow?.(asked, late) === true) assert.deepEqual(late, into, "readNow after read");
  return rows.map((_, i) => into.slice(i * rowBytes, (i + 1) * rowBytes));
}

function isWritable(store: RowStore): store is WritableRowStore {
  return store.write !== undefined;
}

function all(count: number): number[] {
  return Array.from({ length: count }, (_, row) => row);
}

export function storeConformance(name: string, options: StoreConformanceOptions): void {
  const { makeStore, skipLarge = false } = options;

  async function withStore(
    { numRows, rowBytes }: { numRows: number; rowBytes: number },
    filled: Iterable<number>,
    body: (store: RowStore) => Promise<void>,
  ): Promise<void> {
    const rows = new Map([...filled].map((row) => [row, rowPattern(row, rowBytes)]));
    const { store, dispose } = await makeStore({ numRows, rowBytes, rows });
    try {
      await body(store);
    } finally {
      await store.close();
      await dispose?.();
    }
  }

  describe(`row store: ${name}`, () => {
    for (const rowBytes of [1, 33, 64, 264])
      test(`rows of ${rowBytes} bytes come back exactly, in the order asked, repeats included`, async () => {
        await withStore({ numRows: 500, rowBytes }, all(500), async (store) => {
          assert.equal(store.numRows, 500);
          assert.equal(store.rowBytes, rowBytes);
          const asked = [499, 0, 7, 7, 250, 0, 8, 6, 499];
          for (const [i, bytes] of (await readRows(store, asked)).entries())
            assert.deepEqual(bytes, rowPattern(asked[i]!, rowBytes), `row ${asked[i]}`);
        });
      });

    test("any batch of rows comes back exactly", async () => {
      await withStore({ numRows: 3000, rowBytes: 20 }, all(3000), async (store) => {
        const batch = fc.array(fc.nat(2999), { maxLength: 300 });
        await fc.assert(
          fc.asyncProperty(batch, async (asked) => {
            for (const [i, bytes] of (await readRows(store, asked)).entries())
              assert.deepEqual(bytes, rowPattern(asked[i]!, 20));
          }),
          { numRuns: 50 },
        );
      });
    });

    test("a batch of many rows comes back exactly", async () => {
      await withStore({ numRows: 2000, rowBytes: 8 }, all(2000), async (store) => {
        const asked = Array.from({ length: 20_000 }, (_, i) => Math.imul(i, 7919) % 2000);
        const rows = asked.map((row) => Math.abs(row));
        for (const [i, bytes] of (await readRows(store, rows)).entries())
          assert.deepEqual(bytes, rowPattern(rows[i]!, 8));
      });
    });

    test("only the asked bytes of the target are written, at any alignment", async () => {
      await withStore({ numRows: 10, rowBytes: 12 }, all(10), async (store) => {
        for (const shift of [0, 1, 2, 3]) {
          const target = new Uint8Array(shift + 24 + 9).fill(0xee);
          await store.read(Uint32Array.of(3, 9), target.subarray(shift, shift + 24 + 5));
          assert.ok(target.subarray(0, shift).every((byte) => byte === 0xee));
          assert.deepEqual(target.slice(shift, shift + 12), rowPattern(3, 12));
          assert.deepEqual(target.slice(shift + 12, shift + 24), rowPattern(9, 12));
          assert.ok(target.subarray(shift + 24).every((byte) => byte === 0xee));
        }
      });
    });

    test("rows that were never written are zeros", async () => {
      await withStore({ numRows: 100, rowBytes: 16 }, [5], async (store) => {
        const [before, five, after] = await readRows(store, [4, 5, 99]);
        assert.deepEqual(before, new Uint8Array(16));
        assert.deepEqual(five, rowPattern(5, 16));
        assert.deepEqual(after, new Uint8Array(16));
      });
    });

    test("a row outside the table is refused with its number and the table's size", async () => {
      await withStore({ numRows: 77, rowBytes: 4 }, [], async (store) => {
        for (const row of [77, 4_294_967_295])
          await assert.rejects(
            readRows(store, [3, row]),
            (error) =>
              error instanceof StoreError &&
              error.message.includes(String(row)) &&
              error.message.includes("77 rows"),
          );
        assert.equal((await readRows(store, [76])).length, 1);
      });
    });

    test("too little room for the answer is refused with both sizes", async () => {
      await withStore({ numRows: 7, rowBytes: 10 }, [], async (store) => {
        await assert.rejects(
          store.read(Uint32Array.of(1, 2), new Uint8Array(19)),
          (error) => error instanceof StoreError && /20.*19/.test(error.message),
        );
      });
    });

    test("reading no rows does nothing", async () => {
      await withStore({ numRows: 7, rowBytes: 10 }, [1], async (store) => {
        const into = new Uint8Array(3).fill(9);
        await store.read(new Uint32Array(0), into);
        assert.deepEqual(into, Uint8Array.of(9, 9, 9));
      });
    });

    test("reads under way together do not mix", async () => {
      await withStore({ numRows: 400, rowBytes: 48 }, all(400), async (store) => {
        const batches = Array.from({ length: 24 }, (_, k) =>
          Array.from({ length: 40 }, (_unused, i) => (k * 131 + i * 37) % 400),
        );
        const answers = await Promise.all(batches.map((batch) => readRows(store, batch)));
        for (const [k, answer] of answers.entries())
          for (const [i, bytes] of answer.entries())
            assert.deepEqual(bytes, rowPattern(batches[k]![i]!, 48));
      });
    });

    test("prefetching changes no answer and accepts any rows of the table", async () => {
      await withStore({ numRows: 50, rowBytes: 4 }, all(50), async (store) => {
        store.prefetch?.(Uint32Array.of(1, 1, 49));
        assert.deepEqual(await readRows(store, [49, 1]), [rowPattern(49, 4), rowPattern(1, 4)]);
      });
    });

    test("beyond 2^32 bytes, rows lie where they belong", { skip: skipLarge }, async () => {
      const rowBytes = 1024;
      const numRows = 4_500_000;
      // 2^32 bytes are 4,194,304 rows: both sides of it, what 32-bit offsets would alias, and the end.
      const filled = [0, 1, 4_194_303, 4_194_304, 4_194_305, 305_695, numRows - 1];
      await withStore({ numRows, rowBytes }, filled, async (store) => {
        for (const [i, bytes] of (await readRows(store, filled)).entries())
          assert.deepEqual(bytes, rowPattern(filled[i]!, rowBytes), `row ${filled[i]}`);
      });
    });

    test("a closed store refuses reads by name, and closing twice is no error", async () => {
      const { store, dispose } = await makeStore({ numRows: 3, rowBytes: 4, rows: new Map() });
      await store.close();
      await store.close();
      await assert.rejects(
        readRows(store, [0]),
        (error) => error instanceof StoreError && /closed/.test(error.message),
      );
      await dispose?.();
    });

    test("what is written is what the next read finds", async () => {
      await withStore({ numRows: 300, rowBytes: 36 }, all(300), async (store) => {
        if (!isWritable(store)) return;
        const written = [299, 3, 4, 5, 100];
        const from = new Uint8Array(written.length * 36);
        for (const [i, row] of written.entries()) from.set(rowPattern(row + 1000, 36), i * 36);
        await store.write(Uint32Array.from(written), from);
        for (const [i, bytes] of (await readRows(store, written)).entries())
          assert.deepEqual(bytes, rowPattern(written[i]! + 1000, 36));
        const untouched = [2, 6, 99, 101, 298];
        for (const [i, bytes] of (await readRows(store, untouched)).entries())
          assert.deepEqual(bytes, rowPattern(untouched[i]!, 36));
      });
    });

    test("any sequence of writes and reads behaves like a map of rows", async () => {
      const numRows = 40;
      const rowBytes = 8;
      const step = fc.record({
        written: fc.uniqueArray(fc.nat(numRows - 1), { maxLength: 12 }),
        value: fc.nat(10_000),
        asked: fc.array(fc.nat(numRows - 1), { maxLength: 12 }),
      });
      await withStore({ numRows, rowBytes }, [], async (store) => {
        if (!isWritable(store)) return;
        const model = new Map<number, Uint8Array>();
        await fc.assert(
          fc.asyncProperty(fc.array(step, { maxLength: 6 }), async (steps) => {
            for (const { written, value, asked } of steps) {
              const from = new Uint8Array(written.length * rowBytes);
              for (const [i, row] of written.entries()) {
                const bytes = rowPattern(row * 31 + value, rowBytes);
                model.set(row, bytes);
                from.set(bytes, i * rowBytes);
              }
              await store.write(Uint32Array.from(written), from);
              for (const [i, bytes] of (await readRows(store, asked)).entries())
                assert.deepEqual(bytes, model.get(asked[i]!) ?? new Uint8Array(rowBytes));
            }
          }),
          { numRuns: 40 },
        );
      });
    });

    test("a row that is read while it is written comes whole, as it was or as it will be", async () => {
      const numRows = 60;
      const rowBytes = 264;
      await withStore({ numRows, rowBytes }, all(numRows), async (store) => {
        if (!isWritable(store)) return;
        const rows = Uint32Array.from(all(numRows));
        const version = (row: number, round: number): Uint8Array =>
          rowPattern(row + 1000 * round, rowBytes);
        for (let round = 1; round <= 10; round++) {
          const from = new Uint8Array(numRows * rowBytes);
          for (const row of rows) from.set(version(row, round), row * rowBytes);
          const answers = Array.from({ length: 3 }, () => new Uint8Array(from.length));
          const reading = [store.read(rows, answers[0]!)];
          const writing = store.write(rows, from);
          reading.push(store.read(rows, answers[1]!), store.read(rows, answers[2]!));
          await Promise.all(reading);
          for (const row of rows)
            for (const answer of answers) {
              const bytes = answer.subarray(row * rowBytes, (row + 1) * rowBytes);
              const isOld = Buffer.compare(bytes, version(row, round - 1)) === 0;
              const isNew = Buffer.compare(bytes, version(row, round)) === 0;
              assert.ok(isOld || isNew, `row ${row}, round ${round}`);
            }
          await writing;
          for (const [row, bytes] of (await readRows(store, all(numRows))).entries())
            assert.deepEqual(bytes, version(row, round), `row ${row} after round ${round}`);
        }
      });
    });

    test("of writes of one row under way together one is what remains", async () => {
      await withStore({ numRows: 20, rowBytes: 40 }, all(20), async (store) => {
        if (!isWritable(store)) return;
        const rows = Uint32Array.from(all(20));
        for (let round = 0; round < 10; round++) {
          await readRows(store, all(20));
          const contents = [1, 2, 3].map((writer) => {
            const from = new Uint8Array(20 * 40);
            for (const row of rows) from.set(rowPattern(row + 100 * writer + round, 40), row * 40);
            return from;
          });
          await Promise.all(contents.map((from) => store.write(rows, from)));
          const found = await readRows(store, all(20));
          for (const [row, bytes] of found.entries())
            assert.ok(
              contents.some(
                (c) => Buffer.compare(c.subarray(row * 40, row * 40 + 40), bytes) === 0,
              ),
            );
          assert.deepEqual(await readRows(store, all(20)), found, "and it stays so");
        }
      });
    });

    test("what it says of itself and of what it stands around is true", async () => {
      await withStore({ numRows: 30, rowBytes: 8 }, all(30), async (store) => {
        await readRows(store, [3, 4, 5]);
        for (const at of storesFrom(store)) {
          assert.deepEqual([at.numRows, at.rowBytes], [30, 8]);
          const { tier, cache, meter } = at.report?.() ?? {};
          if (tier !== undefined) {
            assert.ok(tier.rows <= 30 && tier.bytes === 8 * tier.rows);
            const { rowsAsked = 0, rowsServed = 0, bytesRead = 0 } = tier;
            assert.ok(rowsServed <= rowsAsked && bytesRead === 8 * rowsServed);
          }
          assert.equal(cache === undefined, at.warm === undefined, "caches, and only they, warm");
          if (meter !== undefined) assert.ok(meter.rowsRead >= 3);
        }
      });
    });

    test("a write outside the table is refused with the numbers", async () => {
      await withStore({ numRows: 9, rowBytes: 4 }, [8], async (store) => {
        if (!isWritable(store)) return;
        await assert.rejects(
          store.write(Uint32Array.of(9), new Uint8Array(4)),
          (error) => error instanceof StoreError && /row 9.*9 rows/.test(error.message),
        );
        await assert.rejects(
          store.write(Uint32Array.of(1, 2), new Uint8Array(7)),
          (error) => error instanceof StoreError && /8.*7/.test(error.message),
        );
        assert.deepEqual(await readRows(store, [8]), [rowPattern(8, 4)]);
      });
    });
  });
}
