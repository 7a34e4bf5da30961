/** One memory of several servers, in a real Redis or Valkey server, alone and as a cluster. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { servedModel } from "../../../test/models/served-model.ts";
import {
  ask,
  type ClusterNode,
  kill,
  redisServer,
  startCluster,
  startServer,
  withoutRedis,
} from "../../../test/redis-cluster.ts";
import { FormatError, InvalidConfigError, StoreError } from "../../errors.ts";
import type { Fact } from "../fact.ts";
import type { FactToAdd } from "../contents.ts";
import { FactStore } from "../fact-store.ts";
import { FactStream } from "./fact-stream.ts";
import { streamAddress } from "./stream-client.ts";

const fingerprint = (): Uint8Array => new Uint8Array(32).fill(7);

/** An id that takes three bytes in a log: its bytes are looked for, too. */
const idOf = (n: number): number => 700_000 + n;

function factOf(n: number, scope = "default"): FactToAdd {
  const createdAt = "2026-11-28T12:00:00.000Z";
  const prompt = `The secret number ${n} is`;
  const fact: Fact = { id: `f${n}`, scope, prompt, completion: ` word${n}`, createdAt };
  return { fact, edits: [{ ids: [1, 2, 3, 1000 + n, idOf(n)], from: 4 }] };
}

const idsOf = (store: FactStore): string[] => store.facts().map(({ fact }) => fact.id);

/** Waits for what another server is to learn. */
async function until(isTrue: () => boolean): Promise<void> {
  for (let tries = 0; !isTrue(); tries++) {
    assert.ok(tries < 3000, "it was not learned within a minute");
    await delay(20);
  }
}

for (const [kind, start] of [
  ["a server", startServer],
  [
    "a cluster",
    async () => {
      const { nodes, stop } = await startCluster(2);
      return { ...nodes[0]!, stop };
    },
  ],
] as const)
  describe(`one memory in ${kind}`, { skip: redisServer === undefined && withoutRedis }, () => {
    let node: ClusterNode & { stop(): Promise<void> };
    const open: FactStore[] = [];
    let count = 0;
    let name = "";

    before(async () => {
      if (redisServer !== undefined) node = await start();
    });
    after(async () => {
      for (const store of open) await store.close();
      await node?.stop();
    });
    const address = (of = name) => streamAddress(`redis://${node.host}:${node.port}/${of}`);
    const another = async (of = fingerprint): Promise<FactStore> => {
      const log = new FactStream(address(), {
        vocabulary: () => ({ fingerprint: of(), numIds: 2 ** 20 }),
      });
      const store = new FactStore({ log, records: await log.read() });
      open.push(store);
      return store;
    };
    const fresh = (): Promise<FactStore> => {
      name = `memory-${++count}`;
      return another();
    };

    test("what one server writes the others have, replaced, in snapshots and rolled back", async () => {
      const [a, b] = [await fresh(), await another()];
      await a.add([factOf(1), factOf(2)]);
      await until(() => idsOf(b).length === 2);
      await b.snapshot("one");
      await b.add([{ ...factOf(1), fact: { ...factOf(1).fact, completion: " other" } }]);
      await until(() => a.facts().some(({ fact }) => fact.completion === " other"));
      assert.deepEqual(a.snapshots, [{ name: "one", numFacts: 2 }]);
      await a.rollback("one");
      await until(() => b.facts().every(({ fact }) => fact.completion !== " other"));
      assert.deepEqual(
        b.facts().map(({ fact }) => fact),
        a.facts().map(({ fact }) => fact),
      );
      // One that was away has the same.
      const c = await another();
      assert.deepEqual(idsOf(c), ["f1", "f2"]);
      assert.deepEqual(c.snapshots, b.snapshots);
    });

    test("writers at once lose nothing, and all have the same order", async () => {
      const stores = [await fresh(), await another(), await another()];
      const writes = stores.flatMap((store, s) =>
        Array.from({ length: 12 }, (_, n) => store.add([factOf(100 * s + n)])),
      );
      await Promise.all(writes);
      await until(() => stores.every((store) => idsOf(store).length === 36));
      const numbers = stores[0]!.facts().map(({ number }) => number);
      assert.deepEqual(
        numbers,
        [...new Set(numbers)].toSorted((x, y) => x - y),
      );
      for (const store of stores) assert.deepEqual(idsOf(store), idsOf(stores[0]!));
      // One forgets while others write.
      await Promise.all([
        stores[0]!.forget({ id: "f5" }),
        stores[1]!.add([factOf(900)]),
        stores[2]!.add([factOf(901)]),
      ]);
      await until(() => stores.every((store) => idsOf(store).length === 37));
      for (const store of stores) assert.ok(!idsOf(store).includes("f5"));
    });

    test("what is forgotten is in no entry and in nothing that is saved, and gone at every server", async () => {
      const [a, b] = [await fresh(), await another()];
      const gone: string[] = [];
      b.onGone = (facts) => gone.push(...facts.map(({ id }) => id));
      await a.add([factOf(3003), factOf(3004)]);
      await a.snapshot("before");
      await until(() => idsOf(b).length === 2);
      const saved = async (text: string | Buffer): Promise<boolean> => {
        await ask(node.port, ["SAVE"]);
        const [, folder] = /dir,(.*)/.exec(await ask(node.port, ["CONFIG", "GET", "dir"])) ?? [];
        return (await readFile(join(folder!, "dump.rdb"))).includes(text);
      };
      const leb = (n: number): Buffer =>
        Buffer.of((n & 127) | 128, ((n >> 7) & 127) | 128, n >> 14);
      // Both nodes of a cluster save; the memory is on one of them.
      const isHere = await saved("secret number 3003");
      if (kind === "a server") assert.ok(isHere && (await saved(leb(idOf(3003)))));
      await b.forget({ id: "f3003" });
      for (const trace of ["secret number 3003", "word3003", leb(idOf(3003))])
        assert.ok(!(await saved(trace)));
      if (kind === "a server") assert.ok(await saved("secret number 3004"));
      await until(() => idsOf(a).length === 1);
      assert.deepEqual(gone, ["f3003"]);
      await a.rollback("before");
      assert.deepEqual(idsOf(a), ["f3004"]);
      assert.deepEqual(idsOf(await another()), ["f3004"]);
    });

    test("another vocabulary's memory and damage are refused, and nothing is changed", async () => {
      const a = await fresh();
      await a.add([factOf(1)]);
      await assert.rejects(
        another(() => new Uint8Array(32).fill(9)),
        (error) => error instanceof FormatError && /another vocabulary/.test(error.message),
      );
      if (kind === "a cluster") return;
      const [head] = [`engram:{${name}}:facts`];
      const generation = await ask(node.port, ["HGET", head, "generation"]);
      await ask(node.port, ["XADD", `${head}:${generation}`, "*", "commit", "no commit at all"]);
      await assert.rejects(another(), FormatError);
      await assert.rejects(a.add([factOf(2)]), FormatError);
      assert.deepEqual(idsOf(a), ["f1"]);
    });

    test("an entry that was there before is refused: what was replaced does not come back", async () => {
      const a = await fresh();
      await a.add([factOf(1)]);
      await a.add([{ ...factOf(1), fact: { ...factOf(1).fact, completion: " other" } }]);
      if (kind === "a cluster") return;
      const head = `engram:{${name}}:facts`;
      const generation = await ask(node.port, ["HGET", head, "generation"]);
      const again = `
        local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
        return redis.call('XADD', KEYS[1], '*', 'commit', first[1][2][2])`;
      await ask(node.port, ["EVAL", again, "1", `${head}:${generation}`]);
      const isNamed = (error: unknown): boolean =>
        error instanceof FormatError && /change 1 does not follow 2/.test(error.message);
      await assert.rejects(another(), isNamed);
      await assert.rejects(a.add([factOf(2)]), isNamed);
      assert.deepEqual(
        a.facts().map(({ fact }) => fact.completion),
        [" other"],
      );
    });

    test("a fact taught at one server is answered at another; where nobody answers, reads stay as they were", async () => {
      const [a, b] = [await fresh(), await another()];
      await using taught = await servedModel({ hasMemory: false, store: a });
      await using other = await servedModel({ hasMemory: false, store: b });
      const prompt = "the key of the cat lies";
      const chance = async (): Promise<number> => {
        const ids = await other.tokenizer.encode(`${prompt} on`);
        const { taught: next = [] } = other
          .memoryFor()!
          .reader()
          .address([{ ids, from: 0, to: ids.length - 1 }]);
        return next.length;
      };
      await taught.teach([{ prompt, completion: "on the mat" }]);
      await until(() => idsOf(b).length === 1);
      assert.ok((await chance()) > 0);
      if (kind === "a cluster") return;
      // Connections that are cut are made anew.
      await ask(node.port, ["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
      await a.add([factOf(7)]).catch(() => a.add([factOf(7)]));
      await until(() => idsOf(b).includes("f7"));
      await kill(node.process);
      for (const refused of [
        b.add([factOf(8)]),
        b.forget({ all: true }),
        other.teach([{ prompt: "the dog and the key lie", completion: "here" }]),
      ])
        await assert.rejects(
          refused,
          (error) => error instanceof StoreError && /nothing can be taught/.test(error.message),
        );
      assert.deepEqual(idsOf(b).length, 2);
      assert.ok((await chance()) > 0);
      await assert.rejects(another(), StoreError);
    });
  });

test("an address that is none is refused without its password in the message", () => {
  for (const text of [
    "redis://:secret@host:1/",
    "redis://:secret@host:1/a/b",
    "http://:secret@host/x",
    "secret",
    "redis://:secret%ZZ@host/x",
    "redis://:secret@host/x?db=1",
  ])
    assert.throws(
      () => streamAddress(text),
      (error: Error) => error instanceof InvalidConfigError && !error.message.includes("secret"),
    );
  assert.deepEqual(streamAddress("rediss://me:p%40ss@[::1]:7/x"), {
    host: "::1",
    port: 7,
    name: "x",
    isEncrypted: true,
    username: "me",
    password: "p@ss",
  });
});
