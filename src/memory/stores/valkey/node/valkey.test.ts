import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { inspect } from "node:util";
import { Cluster, Redis } from "iovalkey";
import { rowPattern, storeConformance } from "../../../../../test/conformance/store.ts";
import { asTable, formatOf } from "../../../../../test/conformance/table-fixture.ts";
import {
  kill,
  redisServer,
  startCluster,
  type TestCluster,
  withoutRedis,
} from "../../../../../test/redis-cluster.ts";
import { FormatError, InvalidConfigError, StoreError } from "../../../../errors.ts";
import { RamStore } from "../../../index.ts";
import { hashSlot } from "./hash-slot.ts";
import { openValkeyStore, writeValkeyTable } from "./index.ts";

test("hash slots are the published ones", () => {
  // Redis cluster specification, appendix: CRC16("123456789") is 0x31C3.
  assert.equal(hashSlot("123456789"), 0x31c3 & 16383);
  assert.equal(hashSlot(""), 0);
});

test("a table name that would need escaping, and no nodes at all, are refused", async () => {
  const nodes = [{ host: "127.0.0.1", port: 1 }];
  await assert.rejects(openValkeyStore({ nodes, table: "a{b}" }), InvalidConfigError);
  await assert.rejects(openValkeyStore({ nodes: [], table: "a" }), InvalidConfigError);
  await assert.rejects(
    openValkeyStore({ nodes, table: "a", timeout: 300 }),
    (error) => error instanceof StoreError && /no node answers/.test(error.message),
  );
});

describe("tables in a Redis cluster", { skip: redisServer === undefined && withoutRedis }, () => {
  let cluster: TestCluster;
  let numTables = 0;
  // Long enough for a busy machine; only what is stopped or dead takes it.
  const quick = { timeout: 5000, retryDelay: 20 };
  const options = (table: string) => ({ nodes: cluster.nodes, table, ...quick });

  before(async () => {
    cluster = await startCluster();
  });
  after(() => cluster?.stop());

  async function write(table: string, { numRows, rowBytes, shift = 0 }: Record<string, number>) {
    const rows = new RamStore({ numRows: numRows!, rowBytes: rowBytes! });
    for (let row = 0; row < numRows!; row++)
      rows.writeSync(Uint32Array.of(row), rowPattern(row + shift!, rowBytes!));
    await writeValkeyTable({
      ...options(table),
      ...formatOf(rowBytes!),
      rows,
      layerId: 3,
      rowsPerSegment: 10,
    });
  }

  /** The place of the node that has most rows of a table (by the keys it holds). */
  async function keysOf(index: number): Promise<string[]> {
    const { host, port } = cluster.nodes[index]!;
    const client = new Redis({ host, port });
    const keys = await client.keys("*");
    client.disconnect();
    return keys;
  }

  storeConformance("Redis cluster", {
    skipLarge: true,
    makeStore: async (fixture) => {
      const { table, fit } = asTable(fixture);
      const rows = new RamStore(table);
      for (const [row, bytes] of table.rows) rows.writeSync(Uint32Array.of(row), bytes);
      const name = `conformance-${numTables++}`;
      await writeValkeyTable({ ...options(name), ...formatOf(table.rowBytes), rows });
      return { store: fit(await openValkeyStore(options(name))) };
    },
  });

  test("a table's rows are spread over all nodes", async () => {
    await write("spread", { numRows: 1000, rowBytes: 16 });
    for (const index of [0, 1, 2]) {
      const keys = (await keysOf(index)).filter((key) => key.startsWith("engram:spread:"));
      assert.ok(keys.length > 15, `node ${index} has ${keys.length} of 101 keys`);
    }
  });

  test("a table that is not there is refused by name", () =>
    assert.rejects(
      openValkeyStore(options("nothing")),
      (error) =>
        error instanceof FormatError && /"nothing".*no table of that name/.test(error.message),
    ));

  test("writing a table anew gives old readers no mixture", async () => {
    await write("anew", { numRows: 100, rowBytes: 8 });
    const old = await openValkeyStore(options("anew"));
    await write("anew", { numRows: 100, rowBytes: 8, shift: 5000 });
    await assert.rejects(
      old.read(Uint32Array.of(3), new Uint8Array(8)),
      (error) => error instanceof StoreError && /"anew".*row 3.*is missing/.test(error.message),
    );
    await old.close();
    const fresh = await openValkeyStore(options("anew"));
    const into = new Uint8Array(8);
    await fresh.read(Uint32Array.of(3), into);
    assert.deepEqual(into, rowPattern(5003, 8));
    await fresh.close();
  });

  test("a segment that was cut is refused by name, and the others are read", async () => {
    await write("cut", { numRows: 100, rowBytes: 8 });
    const [key] = (await keysOf(1)).filter((name) => /^engram:cut:[^m]/.test(name));
    const { host, port } = cluster.nodes[1]!;
    const client = new Redis({ host, port });
    const bytes = await client.getBuffer(key!);
    await client.set(key!, bytes!.subarray(0, 5 * 12 + 4));
    client.disconnect();
    const first = Number(key!.split(":").at(-1)) * 10;
    const store = await openValkeyStore(options("cut"));
    const into = new Uint8Array(8);
    await store.read(Uint32Array.of(first + 4), into);
    assert.deepEqual(into, rowPattern(first + 4, 8));
    await assert.rejects(
      store.read(Uint32Array.of(first + 5), into),
      (error) => error instanceof StoreError && error.message.includes(`${key} has 4 bytes`),
    );
    await store.close();
  });

  /** Changes a segment of a table, as anybody may who has the password. */
  async function overwrite(table: string, change: (bytes: Buffer) => Buffer): Promise<number> {
    const key = (await keysOf(1)).find((name) => new RegExp(`^engram:${table}:[^m]`).test(name));
    const { host, port } = cluster.nodes[1]!;
    const client = new Redis({ host, port });
    await client.set(key!, change((await client.getBuffer(key!))!));
    client.disconnect();
    return Number(key!.split(":").at(-1));
  }

  for (const [what, change] of [
    ["one bit less", (bytes: Buffer) => bytes.fill(bytes[13]! ^ 16, 13, 14)],
    ["zeros", (bytes: Buffer) => bytes.fill(0)],
    ["other bytes", (bytes: Buffer) => bytes.fill("somebody else's")],
    [
      "its rows in another order",
      (bytes: Buffer) => Buffer.concat([bytes.subarray(12), bytes.subarray(0, 12)]),
    ],
  ] as const)
    test(`an overwritten segment (${what}) is refused by name, though it was right before`, async () => {
      const table = `overwritten-${numTables++}`;
      await write(table, { numRows: 100, rowBytes: 8 });
      const store = await openValkeyStore(options(table));
      const all = Uint32Array.from({ length: 100 }, (_, row) => row);
      const into = new Uint8Array(800);
      await store.read(all, into);
      const segment = await overwrite(table, change);
      const row = 10 * segment + 1;
      await assert.rejects(
        store.read(Uint32Array.of(row), into),
        (error) =>
          error instanceof StoreError &&
          new RegExp(`"${table}".*row ${row}.*:${segment} does not match its checksum`).test(
            error.message,
          ),
      );
      const other = segment === 0 ? 10 : 0;
      await store.read(Uint32Array.of(other), into);
      assert.deepEqual(into.subarray(0, 8), rowPattern(other, 8));
      await store.close();
    });

  test("the rows of another table, and of an older one of the same name, are refused", async () => {
    await write("source", { numRows: 100, rowBytes: 8 });
    const [key] = (await keysOf(0)).filter((name) => /^engram:source:[^m]/.test(name));
    const segment = Number(key!.split(":").at(-1));
    const { host, port } = cluster.nodes[0]!;
    const client = new Redis({ host, port });
    const bytes = await client.getBuffer(key!);
    client.disconnect();
    await write("target", { numRows: 100, rowBytes: 8, shift: 1 });
    const store = await openValkeyStore(options("target"));
    const target = (await Promise.all([0, 1, 2].map(keysOf)))
      .flat()
      .find((name) => name.startsWith("engram:target:") && name.endsWith(`:${segment}`));
    const everywhere = new Cluster([...cluster.nodes]);
    await everywhere.set(target!, bytes!);
    everywhere.disconnect();
    await assert.rejects(
      store.read(Uint32Array.of(10 * segment), new Uint8Array(8)),
      /does not match its checksum/,
    );
    await store.close();
  });

  test("a description that claims too much, or nothing that is one, is refused before anything is made of it", async () => {
    await write("claims", { numRows: 100, rowBytes: 8 });
    const client = new Cluster([...cluster.nodes]);
    const name = "engram:claims:meta";
    const meta = JSON.parse((await client.get(name))!) as Record<string, unknown>;
    for (const claim of [
      { version: 1 },
      { headDim: 2 ** 40 },
      { headDim: 2 ** 28 },
      { numRows: 2 ** 40 },
      { numRows: -1 },
      { rowsPerSegment: 0 },
      { rowsPerSegment: 2 ** 31 },
      { format: "toString" },
      { digest: "00" },
      { generation: "x".repeat(5000) },
      { generation: ["x"] },
    ]) {
      await client.set(name, JSON.stringify({ ...meta, ...claim }));
      await assert.rejects(openValkeyStore(options("claims")), FormatError, inspect(claim));
    }
    for (const text of ["", "null", "7", "[", "{".repeat(2 ** 20)]) {
      await client.set(name, text);
      await assert.rejects(openValkeyStore(options("claims")), FormatError, text.slice(0, 9));
    }
    client.disconnect();
    // What is no description does not stand in the way of a new one.
    await write("claims", { numRows: 100, rowBytes: 8 });
    await (await openValkeyStore(options("claims"))).close();
  });

  test("a table of another model is refused when it is opened", async () => {
    await write("other", { numRows: 100, rowBytes: 8 });
    const { format, headDim } = formatOf(8);
    const right = { format, headDim, numRows: 100, layerId: 3 };
    await (await openValkeyStore({ ...options("other"), expected: right })).close();
    for (const wrong of [
      { ...right, numRows: 99 },
      { ...right, layerId: 1 },
      { ...right, digest: new Uint8Array(32).fill(7) },
    ])
      await assert.rejects(
        openValkeyStore({ ...options("other"), expected: wrong }),
        (error) => error instanceof FormatError && /table "other" at/.test(error.message),
      );
  });

  test("rows of a slot that moves to another node are read all the while", async () => {
    const numRows = 300;
    await write("moved", { numRows, rowBytes: 8 });
    const store = await openValkeyStore(options("moved"));
    const all = Uint32Array.from({ length: numRows }, (_, row) => row);
    const check = async (): Promise<void> => {
      const into = new Uint8Array(numRows * 8);
      await store.read(all, into);
      for (const row of all)
        assert.deepEqual(into.slice(row * 8, row * 8 + 8), rowPattern(row, 8), `row ${row}`);
    };
    await check();
    const key = (await keysOf(0)).find((name) => /^engram:moved:[^m]/.test(name))!;
    const slot = hashSlot(key);
    const [from, to] = [0, 1].map((i) => {
      const { host, port } = cluster.nodes[i]!;
      return new Redis({ host, port });
    });
    const ids = await Promise.all([from!, to!].map((node) => node.call("CLUSTER", "MYID")));
    await to!.call("CLUSTER", "SETSLOT", slot, "IMPORTING", String(ids[0]));
    await from!.call("CLUSTER", "SETSLOT", slot, "MIGRATING", String(ids[1]));
    const { host, port } = cluster.nodes[1]!;
    await from!.call("MIGRATE", host, port, key, 0, 5000);
    // Now it is asked for there (ASK), and then it belongs there (MOVED).
    await check();
    for (const node of [to!, from!]) {
      await node.call("CLUSTER", "SETSLOT", slot, "NODE", String(ids[1]));
      node.disconnect();
    }
    await check();
    await check();
    await store.close();
  });

  test("a table that asks for a password is read by who knows it", async () => {
    await write("locked", { numRows: 100, rowBytes: 8 });
    const nodes = cluster.nodes.map(({ host, port }) => new Redis({ host, port }));
    for (const node of nodes) await node.config("SET", "requirepass", "secret");
    try {
      await assert.rejects(openValkeyStore(options("locked")), StoreError);
      await assert.rejects(
        openValkeyStore({ ...options("locked"), password: "not-this-word" }),
        (error) => error instanceof StoreError && !/not-this-word/.test(inspect(error)),
      );
      const store = await openValkeyStore({ ...options("locked"), password: "secret" });
      const into = new Uint8Array(16);
      await store.read(Uint32Array.of(3, 97), into);
      assert.deepEqual(into, Uint8Array.of(...rowPattern(3, 8), ...rowPattern(97, 8)));
      await store.close();
    } finally {
      for (const node of nodes) {
        await node.config("SET", "requirepass", "");
        node.disconnect();
      }
    }
  });

  test("a node that answers late is given up by name, and is used again once it answers", async () => {
    await write("late", { numRows: 300, rowBytes: 8 });
    const store = await openValkeyStore({ ...options("late"), timeout: 1500 });
    const all = Uint32Array.from({ length: 300 }, (_, row) => row);
    const into = new Uint8Array(2400);
    cluster.nodes[2]!.process.kill("SIGSTOP");
    try {
      await assert.rejects(
        store.read(all, into),
        (error) =>
          error instanceof StoreError &&
          error.message.includes(`:${cluster.nodes[2]!.port}`) &&
          /2 tries/.test(error.message),
      );
    } finally {
      cluster.nodes[2]!.process.kill("SIGCONT");
    }
    await eventually(async () => store.read(all, into));
    for (const row of all) assert.deepEqual(into.slice(row * 8, row * 8 + 8), rowPattern(row, 8));
    await store.close();
  });

  test("a node killed in the middle of reads: no wrong row, and its rows are refused by name", async () => {
    const numRows = 600;
    await write("killed", { numRows, rowBytes: 24 });
    const store = await openValkeyStore(options("killed"));
    let right = 0;
    const refused: Error[] = [];
    const readSome = async (seed: number): Promise<void> => {
      const rows = Uint32Array.from({ length: 40 }, (_, i) => (seed * 7919 + i * 61) % numRows);
      const into = new Uint8Array(40 * 24);
      try {
        await store.read(rows, into);
      } catch (error) {
        assert.ok(error instanceof StoreError, String(error));
        refused.push(error);
        return;
      }
      for (const [i, row] of rows.entries())
        assert.deepEqual(into.slice(i * 24, (i + 1) * 24), rowPattern(row, 24), `row ${row}`);
      right++;
    };
    for (let i = 0; i < 5; i++) await readSome(i);
    assert.equal(right, 5);
    const under = Array.from({ length: 20 }, (_, i) => readSome(100 + i));
    await kill(cluster.nodes[1]!.process);
    under.push(...Array.from({ length: 10 }, (_, i) => readSome(200 + i)));
    await Promise.all(under);
    assert.ok(refused.length > 0, "40 rows lie on all nodes");
    for (const error of refused) assert.match(error.message, /"killed".*rows did not come/);
    // What the others have is still read.
    let alone = 0;
    for (let row = 0; row < numRows; row += 10) {
      const into = new Uint8Array(24);
      const isRead = await store.read(Uint32Array.of(row), into).then(
        () => true,
        () => false,
      );
      if (!isRead) continue;
      assert.deepEqual(into, rowPattern(row, 24));
      if (++alone === 10) break;
    }
    assert.equal(alone, 10);
    // It comes back empty: nothing is made up. Once the table is there again, it is read again.
    await cluster.restart(1);
    const all = Uint32Array.from({ length: numRows }, (_, row) => row);
    await assert.rejects(store.read(all, new Uint8Array(numRows * 24)), StoreError);
    await store.close();
    await write("killed", { numRows, rowBytes: 24 });
    const again = await openValkeyStore(options("killed"));
    const into = new Uint8Array(numRows * 24);
    await again.read(all, into);
    assert.deepEqual(into.slice(-24), rowPattern(numRows - 1, 24));
    await again.close();
  });
});

/** Until it succeeds; a cluster needs a moment to see that a node is back. */
async function eventually(attempt: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;)
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
}
