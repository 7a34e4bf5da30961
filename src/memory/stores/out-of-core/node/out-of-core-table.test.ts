import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { rowPattern, storeConformance } from "../../../../../test/conformance/store.ts";
import { SimulatedDisk } from "../../../../../test/simulated-disk.ts";
import { FormatError, InvalidConfigError, StoreError } from "../../../../errors.ts";
import { planTableMemory, RamStore } from "../../../index.ts";
import { openLoggedRows, OutOfCoreTable, rowsInOrder } from "./index.ts";

const mib = 2 ** 20;

async function scratchPath(): Promise<{ path: string; dispose: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), "engram-out-of-core-"));
  return {
    path: join(folder, "rows.log"),
    dispose: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The map of a flushed table, as a checkpoint keeps it. */
function mapOf(table: OutOfCoreTable): Uint32Array {
  const map = new Uint32Array(table.numRows);
  let at = 0;
  for (const chunk of table.map()) {
    map.set(chunk, at);
    at += chunk.length;
  }
  return map;
}

const fillFrom =
  (map: Uint32Array) =>
  async (into: Uint32Array): Promise<void> =>
    into.set(map);

for (const { name, cacheRows, before, after, reopened } of [
  { name: "few rows in memory", cacheRows: 3, before: 0, after: 0, reopened: true },
  { name: "some rows in memory", cacheRows: 64, before: 0, after: 0, reopened: false },
  { name: "one part of several", cacheRows: 24, before: 5, after: 4, reopened: true },
])
  storeConformance(`out of core, ${name}`, {
    makeStore: async ({ numRows, rowBytes, rows }) => {
      const { path, dispose } = await scratchPath();
      const partBytes = [before, rowBytes, after].filter((bytes) => bytes > 0);
      const part = before > 0 ? 1 : 0;
      const options = { numRows, partBytes, memory: { cacheRows, ioBytes: 16_384 } };
      let table = await OutOfCoreTable.create(path, options);
      for (const [row, bytes] of rows) await table.parts[part]!.write(Uint32Array.of(row), bytes);
      if (reopened) {
        await table.flush();
        const map = mapOf(table);
        const { identity } = table;
        await table.close();
        table = await OutOfCoreTable.open(path, { ...options, identity, fill: fillFrom(map) });
      }
      return {
        store: table.parts[part]!,
        dispose: async () => {
          await table.close();
          await dispose();
        },
      };
    },
  });

storeConformance("rows of a checkpoint, from their log", {
  makeStore: async ({ numRows, rowBytes, rows }) => {
    const { path, dispose } = await scratchPath();
    const memory = { cacheRows: 70, ioBytes: 16_384 };
    const table = await OutOfCoreTable.create(path, { numRows, partBytes: [rowBytes, 4], memory });
    for (const [row, bytes] of rows) await table.parts[0]!.write(Uint32Array.of(row), bytes);
    await table.flush();
    const slots = mapOf(table);
    const { identity } = table;
    await table.close();
    const checkKept = async (): Promise<void> => undefined;
    const store = await openLoggedRows(path, { identity, slots, rowBytes, checkKept });
    return { store, dispose };
  },
});

const numRows = 60;
const partBytes = [12, 4] as const;
const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("write"),
      part: fc.nat(1),
      rows: someRows(),
      value: fc.nat(1e6),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("read"), part: fc.nat(1), rows: someRows() }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("prefetch"), part: fc.nat(1), rows: someRows() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("checkpoint") }) },
);
type Command = {
  readonly do: string;
  readonly part?: number;
  readonly rows?: readonly number[];
  readonly value?: number;
};

function someRows(): fc.Arbitrary<number[]> {
  return fc.uniqueArray(fc.nat(numRows - 1), { maxLength: 25 });
}

/** A table in memory and one on a simulated disk, and what checkpoints would keep. */
class Pair {
  readonly disk = new SimulatedDisk();
  readonly numRows: number;
  readonly oracle: readonly RamStore[];
  table!: OutOfCoreTable;
  readonly memory = { cacheRows: 10, ioBytes: 96 };
  /** The two newest, as training keeps them. */
  saved: { map: Uint32Array; rows: Uint8Array[]; pin: Uint32Array }[] = [];

  constructor(rows = numRows) {
    this.numRows = rows;
    this.oracle = partBytes.map((rowBytes) => new RamStore({ numRows: rows, rowBytes }));
  }

  async begin(): Promise<void> {
    this.table = await OutOfCoreTable.create("simulated", {
      numRows: this.numRows,
      partBytes,
      memory: this.memory,
      file: this.disk.open(),
    });
  }

  async run(one: Command): Promise<void> {
    const { part = 0, value = 0 } = one;
    const rows = Uint32Array.from(one.rows ?? []);
    const bytes = new Uint8Array(rows.length * partBytes[part]!);
    if (one.do === "write") {
      for (const [i, row] of rows.entries())
        bytes.set(rowPattern(row + value, partBytes[part]!), i * partBytes[part]!);
      await this.table.parts[part]!.write(rows, bytes);
      await this.oracle[part]!.write(rows, bytes);
    } else if (one.do === "read") {
      await this.table.parts[part]!.read(rows, bytes);
      const expected = new Uint8Array(bytes.length);
      await this.oracle[part]!.read(rows, expected);
      assert.deepEqual(bytes, expected);
    } else if (one.do === "prefetch") this.table.parts[part]!.prefetch!(rows);
    else await this.checkpoint();
  }

  async checkpoint(): Promise<void> {
    const pin = await this.table.flush();
    const rows = this.oracle.map(({ segments }) => new Uint8Array(segments[0]!));
    this.saved = [...this.saved, { map: mapOf(this.table), rows, pin }].slice(-2);
    this.table.keepPins(this.saved.map((checkpoint) => checkpoint.pin));
  }

  /** All rows, as they are read. */
  async contents(table = this.table): Promise<Uint8Array[]> {
    const all = Uint32Array.from({ length: this.numRows }, (_, row) => row);
    return Promise.all(
      partBytes.map(async (rowBytes, part) => {
        const bytes = new Uint8Array(this.numRows * rowBytes);
        await table.parts[part]!.read(all, bytes);
        return bytes;
      }),
    );
  }

  /** After a crash: the table as checkpoint `number` has it, with the other one still held. */
  async resume(number = this.saved.length - 1): Promise<void> {
    const { map, rows } = this.saved[number]!;
    this.table = await OutOfCoreTable.open("simulated", {
      numRows: this.numRows,
      partBytes,
      memory: this.memory,
      file: this.disk.open(),
      identity: this.table.identity,
      fill: fillFrom(map),
    });
    this.saved = this.saved.slice(0, number + 1);
    for (const checkpoint of this.saved) checkpoint.pin = await this.table.pinMap([checkpoint.map]);
    this.table.keepPins(this.saved.map(({ pin }) => pin));
    for (const [part, store] of this.oracle.entries()) store.segments[0]!.set(rows[part]!);
  }
}

test("any sequence of writes, reads, prefetches and checkpoints behaves like a table in memory", () =>
  fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
      const pair = new Pair();
      await pair.begin();
      for (const one of commands) await pair.run(one as Command);
      assert.deepEqual(
        await pair.contents(),
        pair.oracle.map(({ segments }) => new Uint8Array(segments[0]!)),
      );
      await pair.table.close();
    }),
    { numRuns: 150 },
  ));

test("a crash that tears, drops and reorders unsynced writes leaves each kept checkpoint whole", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(command, { minLength: 5, maxLength: 40 }), { minLength: 2, maxLength: 4 }),
      fc.nat(),
      async (lives, seed) => {
        const pair = new Pair();
        await pair.begin();
        await pair.checkpoint();
        for (const [life, commands] of lives.entries()) {
          for (const one of commands) await pair.run(one as Command);
          pair.disk.crash(seed + life);
          // The older checkpoint, too: the newest may be lost with its disk block.
          for (const number of pair.saved.keys()) {
            const { rows } = pair.saved[number]!;
            const saved = pair.saved;
            await pair.resume(number);
            assert.deepEqual(await pair.contents(), rows);
            pair.saved = saved;
          }
        }
      },
    ),
    { numRuns: 150 },
  ));

test("a disk that fills up stops the table with words, and the last checkpoint is whole", async () => {
  const pair = new Pair();
  await pair.begin();
  const write = (value: number, from: number): Promise<void> =>
    pair.run({ do: "write", part: 0, value, rows: Array.from({ length: 25 }, (_, i) => i + from) });
  await write(1, 0);
  await write(2, 30);
  await pair.checkpoint();
  const { rows } = pair.saved.at(-1)!;
  pair.disk.capacity = pair.disk.size + 100;
  await assert.rejects(
    async () => {
      for (let value = 3; value < 60; value++) await write(value, (value * 7) % 35);
    },
    (error) =>
      error instanceof StoreError &&
      /the disk is full \(ENOSPC\); free space, then resume/.test(error.message),
  );
  await assert.rejects(pair.table.flush(), StoreError);
  await pair.table.close();
  pair.disk.capacity = Infinity;
  await pair.resume();
  assert.deepEqual(await pair.contents(), rows);
  await write(70, 3);
  await pair.run({ do: "read", part: 0, rows: [3, 4, 30] });
});

test("the log stays within a few times the table however long training goes on", async () => {
  const rowsOfTable = 2000;
  const pair = new Pair(rowsOfTable);
  await pair.begin();
  const writeSome = async (pick: (row: number) => boolean, value: number): Promise<void> => {
    const rows = Array.from({ length: rowsOfTable }, (_, row) => row).filter(pick);
    await pair.run({ do: "write", part: 0, value, rows });
    await pair.checkpoint();
  };
  // Each round leaves an eighth of the rows behind, spread over all segments that it wrote.
  for (let round = 0; round < 20; round++)
    await writeSome((row) => row % 8 >= Math.min(round, 7), round);
  const tableBytes = rowsOfTable * (16 + 8);
  // Live rows at most twice, and what two checkpoints still refer to.
  assert.ok(
    pair.disk.size < 4096 + 4.2 * tableBytes,
    `${pair.disk.size} bytes for a table of ${tableBytes}`,
  );
  assert.ok(pair.table.stats.rowsMoved > 100, "sparse segments were emptied");
  assert.deepEqual(
    await pair.contents(),
    pair.oracle.map(({ segments }) => new Uint8Array(segments[0]!)),
  );
});

test("a record that rots is refused when the table is opened, or when it is read; it is not handed out", async () => {
  const pair = new Pair();
  await pair.begin();
  await pair.run({ do: "write", part: 0, value: 5, rows: [7] });
  await pair.checkpoint();
  const { map } = pair.saved[0]!;
  for (const byte of [0, 11, 15, 16, 20]) {
    const copy = new SimulatedDisk(pair.disk);
    const rot = (): void => void (copy.bytes[4096 + (map[7]! - 1) * 24 + byte]! ^= 4);
    const open = (): Promise<OutOfCoreTable> =>
      OutOfCoreTable.open("rotten.log", {
        numRows,
        partBytes,
        memory: pair.memory,
        file: copy.open(),
        identity: pair.table.identity,
        fill: fillFrom(map),
      });
    const table = await open();
    rot();
    await assert.rejects(
      table.parts[0]!.read(Uint32Array.of(7), new Uint8Array(12)),
      (error) => error instanceof StoreError && /rotten\.log.*damaged/.test(error.message),
    );
    await table.close();
    await assert.rejects(
      open,
      (error) =>
        error instanceof FormatError &&
        /rotten\.log: expected row 7 and its checksum in bytes 4096 to 4119/.test(error.message),
    );
  }
});

test("a log that was cut, or belongs to another run, is refused when it is opened", async () => {
  const pair = new Pair();
  await pair.begin();
  await pair.run({ do: "write", part: 0, value: 5, rows: [7, 8, 9] });
  await pair.checkpoint();
  const open = (disk: SimulatedDisk, identity = pair.table.identity): Promise<OutOfCoreTable> =>
    OutOfCoreTable.open("some.log", {
      numRows,
      partBytes,
      memory: pair.memory,
      file: disk.open(),
      identity,
      fill: fillFrom(pair.saved[0]!.map),
    });
  const cut = new SimulatedDisk(pair.disk);
  cut.size -= 30;
  await assert.rejects(
    open(cut),
    (error) => error instanceof FormatError && /log ends/.test(error.message),
  );
  await assert.rejects(
    open(pair.disk, new Uint8Array(16)),
    (error) => error instanceof FormatError && /not the row log/.test(error.message),
  );
});

test("a sealed table is read in any order, window by window, and written no more", async () => {
  const pair = new Pair();
  await pair.begin();
  for (const [first, value] of [
    [0, 3],
    [20, 9],
    [10, 27],
  ] as const)
    for (const part of [0, 1])
      await pair.run({
        do: "write",
        part,
        value,
        rows: Array.from({ length: 25 }, (_, i) => i + first),
      });
  await pair.table.seal();
  const store = rowsInOrder(pair.table, { rowBytes: 12, bytes: 7 * (12 + 32) });
  for (const rows of [Array.from({ length: numRows }, (_, row) => row), [59, 0, 0, 33, 7, 8, 45]]) {
    const found = new Uint8Array(rows.length * 12);
    const expected = new Uint8Array(rows.length * 12);
    await store.read(Uint32Array.from(rows), found);
    await pair.oracle[0]!.read(Uint32Array.from(rows), expected);
    assert.deepEqual(found, expected);
  }
  await assert.rejects(
    pair.table.parts[0]!.write(Uint32Array.of(1), new Uint8Array(12)),
    (error) => error instanceof StoreError && /sealed/.test(error.message),
  );
  await store.close();
});

test("memory that cannot hold two steps' rows is refused with the numbers", () => {
  const request = { numRows: 4_000_000, rowBytes: 68, bytes: 64 * mib, leastRows: 131_072 };
  const plan = planTableMemory(request);
  assert.equal(plan.mapBytes, 16_000_000);
  assert.equal(plan.countBytes, 4_000_000);
  assert.ok(plan.totalBytes <= 64 * mib && plan.totalBytes > 63 * mib);
  assert.ok(plan.cacheRows > 400_000);
  assert.throws(
    () => planTableMemory({ ...request, bytes: 24 * mib }),
    (error) =>
      error instanceof InvalidConfigError &&
      /4000000 rows of 68 bytes needs at least \d+\.\d MiB: 15\.3 for the map of rows, 3\.9 for the counts.*24\.0 MiB/.test(
        error.message,
      ),
  );
  assert.equal(planTableMemory({ ...request, bytes: 2 ** 34 }).cacheRows, 4_000_000);
});

test("a log whose beginning cannot be written is closed again", async () => {
  let isOpen = true;
  const file = {
    ...new SimulatedDisk().open(),
    write: () => Promise.reject(new Error("the disk is full")),
    close: async () => void (isOpen = false),
  };
  const memory = { cacheRows: 4, ioBytes: 16_384 };
  const options = { numRows: 8, partBytes: [16], memory, file };
  await assert.rejects(OutOfCoreTable.create("rows.log", options), /the disk is full/);
  assert.equal(isOpen, false);
});
