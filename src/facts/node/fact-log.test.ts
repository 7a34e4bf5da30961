import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { FormatError, InvalidConfigError } from "../../errors.ts";
import type { Fact } from "../fact.ts";
import type { FactToAdd } from "../contents.ts";
import { FactStore } from "../fact-store.ts";
import { type LogVocabulary, parseInPieces } from "../log-format.ts";
import { FactLogFile } from "./fact-log.ts";
import { memoryPlace } from "./memory-place.ts";

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "engram-facts-"));
  try {
    await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const fingerprint = new Uint8Array(32).fill(7);
const vocabulary = (): LogVocabulary => ({ fingerprint, numIds: 2 ** 20 });

async function openStore(folder: string): Promise<FactStore> {
  const log = new FactLogFile(join(folder, "memory"), { vocabulary });
  return new FactStore({ log, records: await log.read() });
}

function factOf(n: number, scope = "default"): FactToAdd {
  const createdAt = "2026-11-28T12:00:00.000Z";
  const prompt = `The secret number ${n} is`;
  const fact: Fact = { id: `f${n}`, scope, prompt, completion: ` word${n}`, createdAt };
  return { fact, edits: [{ ids: [1, 2, 3, 1000 + n, 9000 + n], from: 4 }] };
}

const idsOf = (store: FactStore): string[] => store.facts().map(({ fact }) => fact.id);

test("a log that is read a few bytes at a time says the same, whole, cut off or damaged", () =>
  inFolder(async (folder) => {
    const store = await openStore(folder);
    await store.add(Array.from({ length: 5 }, (_, n) => factOf(n)));
    for (let n = 5; n < 40; n++) await store.add([factOf(n)]);
    await store.close();
    const path = join(folder, "memory", "facts.log");
    const whole = await readFile(path);
    const said = async (pieceBytes?: number): Promise<unknown> => {
      const options = { vocabulary, ...(pieceBytes !== undefined && { pieceBytes }) };
      const log = new FactLogFile(join(folder, "memory"), options);
      return log.read().then(
        (records) => records,
        (error: Error) => error.message,
      );
    };
    const damaged = Uint8Array.from(whole);
    damaged[whole.length >> 1]! ^= 1;
    const zeros = Buffer.concat([whole.subarray(0, -9), new Uint8Array(100)]);
    for (const [bytes, expected] of [
      [whole, 40],
      [whole.subarray(0, -1), 39],
      [whole.subarray(0, 50), 0],
      [zeros, 39],
      [damaged, undefined],
    ] as const) {
      await writeFile(path, bytes);
      const found = await said();
      if (expected === undefined) assert.match(found as string, /checksums; the file is damaged/);
      else assert.equal((found as unknown[]).length, expected);
      for (const pieceBytes of [1, 64, 333]) assert.deepEqual(await said(pieceBytes), found);
    }
  }));

test("what was acknowledged is there when a writer is cut off anywhere, and the rest is wholly absent", () =>
  inFolder(async (folder) => {
    const path = join(folder, "memory", "facts.log");
    const sizes: number[] = [];
    {
      const store = await openStore(folder);
      for (let n = 0; n < 4; n++) {
        // The last two together: both or none.
        await store.add(n < 3 ? [factOf(n)] : [factOf(3), factOf(4)]);
        sizes.push((await readFile(path)).length);
      }
      await store.close();
    }
    const whole = await readFile(path);
    // Every length there is: log-format.test.ts.
    const lengths = sizes.flatMap((size) => [size, size + 1, size + 12, size + 40]);
    for (const length of lengths.filter((one) => one <= whole.length)) {
      await writeFile(path, whole.subarray(0, length));
      const count = sizes.filter((size) => size <= length).length;
      const expected = ["f0", "f1", "f2", "f3", "f4"].slice(0, count < 4 ? count : 5);
      const store = await openStore(folder);
      assert.deepEqual(idsOf(store), expected);
      if (length !== sizes[1]! + 40 && length !== sizes[2]! + 40) continue;
      // And it goes on from there.
      await store.add([factOf(9)]);
      await store.close();
      const again = await openStore(folder);
      assert.deepEqual(idsOf(again), [...expected, "f9"]);
      await again.close();
    }
  }));

test("a process that is killed while it writes loses nothing that it acknowledged", () =>
  inFolder(async (folder) => {
    const at = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
    const program = `
      const { FactLogFile } = await import(${at("fact-log.ts")});
      const { FactStore } = await import(${at("../fact-store.ts")});
      const { writeSync } = await import("node:fs");
      const log = new FactLogFile(${JSON.stringify(join(folder, "memory"))}, { vocabulary: () => ({ fingerprint: new Uint8Array(32).fill(7), numIds: 2 ** 20 }) });
      const store = new FactStore({ log, records: await log.read() });
      const createdAt = "2026-11-28T12:00:00.000Z";
      let count = 0;
      for (let n = 0; ; n++) {
        store.add([{ fact: { id: "k" + n, scope: "s", prompt: "p".repeat(n * 37 % 5000 + 1), completion: "c", createdAt }, edits: [] }])
          .then(() => { writeSync(1, "k" + n + "\\n"); count++; });
        if (n % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
        if (count > 40) process.kill(process.pid, "SIGKILL");
      }`;
    const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", program]);
    const acknowledged = stdout.toString().trim().split("\n");
    assert.ok(acknowledged.length > 10, `${acknowledged.length} were acknowledged`);
    const store = await openStore(folder);
    const found = idsOf(store);
    assert.deepEqual(found.slice(0, acknowledged.length), acknowledged);
    assert.deepEqual(
      found,
      found.map((_, n) => `k${n}`),
    );
    // The dead process' lock keeps nobody out.
    await store.add([factOf(1)]);
    await store.close();
  }));

test("a log that is written anew comes in pieces; a writer killed between two leaves the old one whole", () =>
  inFolder(async (folder) => {
    const path = join(folder, "memory", "facts.log");
    const store = await openStore(folder);
    await store.add(Array.from({ length: 40 }, (_, n) => factOf(n)));
    await store.close();
    const old = await readFile(path);
    const at = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href);
    // Writes the log without its first record; is killed when the record at `dies` is asked for, or at the end.
    const program = (dies: number): string => `
      const { FactLogFile } = await import(${at("fact-log.ts")});
      const { encodeRecord } = await import(${at("../log-format.ts")});
      const log = new FactLogFile(${JSON.stringify(join(folder, "memory"))}, { pieceBytes: 1000 });
      const records = (await log.read()).slice(1).map(encodeRecord);
      const kill = () => process.kill(process.pid, "SIGKILL");
      if (${dies} < records.length) Object.defineProperty(records, ${dies}, { get: kill });
      await log.begin();
      await log.replace(records);
      kill();`;
    const left = async (dies: number): Promise<Buffer> => {
      const words = ["--input-type=module", "-e", program(dies)];
      assert.equal(spawnSync(process.execPath, words).signal, "SIGKILL");
      return readFile(path);
    };
    for (const dies of [0, 20, 38]) {
      assert.ok(old.equals(await left(dies)));
      const { length } = await readFile(`${path}.tmp`);
      // What came before it is written, but for the piece that it belongs to.
      assert.ok(length >= (dies * (old.length - 48)) / 40 - 1000, `${length} bytes before ${dies}`);
    }
    const anew = await left(100);
    assert.ok(!anew.includes("secret number 0 ") && anew.length < old.length);
    const steps = parseInPieces(anew.length, { where: path });
    let step = steps.next();
    const wanted: number[] = [];
    for (; step.done !== true; step = steps.next(anew.subarray(step.value.from, step.value.to)))
      wanted.push(step.value.to - step.value.from);
    assert.ok(Math.max(...wanted) <= 1000 && wanted.length > 2 * (anew.length / 1000));
    const again = await openStore(folder);
    assert.deepEqual(
      idsOf(again),
      Array.from({ length: 39 }, (_, n) => `f${n + 1}`),
    );
    await again.forget({ all: true });
    await again.close();
    assert.deepEqual(await readdir(join(folder, "memory")), ["facts.log"]);
  }));

test("one writes, the other is refused by name, and sees what was written when it may", () =>
  inFolder(async (folder) => {
    const [one, other] = [await openStore(folder), await openStore(folder)];
    await one.add([factOf(1)]);
    await assert.rejects(
      other.add([factOf(2)]),
      (error) =>
        error instanceof InvalidConfigError &&
        error.message.includes(`process ${process.pid} on`) &&
        error.message.includes("--url"),
    );
    assert.ok(!idsOf(other).includes("f2"));
    await one.close();
    await other.add([factOf(2)]);
    assert.deepEqual(idsOf(other), ["f1", "f2"]);
    await other.close();
  }));

test("what is forgotten is in no file afterwards, and no rollback brings it back", () =>
  inFolder(async (folder) => {
    const store = await openStore(folder);
    await store.add([factOf(1), factOf(2, "acme"), factOf(3)]);
    await store.snapshot("before");
    await store.add([factOf(4)]);
    assert.deepEqual((await store.forget({ id: "f2", scope: "default" })).facts, []);
    assert.equal((await store.forget({ id: "f1" })).facts[0]?.id, "f1");
    assert.equal((await store.forget({ scope: "acme", all: true })).facts.length, 1);
    const has = async (text: string): Promise<boolean> => {
      for (const name of await readdir(folder, { recursive: true, withFileTypes: true }))
        if (name.isFile() && (await readFile(join(name.parentPath, name.name))).includes(text))
          return true;
      return false;
    };
    // 10001 and 10002 as LEB128: the ids 9001 and 9002 of the wordings.
    const leb = (id: number): string => String.fromCharCode((id & 127) | 128, id >>> 7);
    for (const n of [1, 2]) {
      assert.ok(!(await has(`secret number ${n}`)) && !(await has(`word${n}`)));
      assert.ok(!(await has(Buffer.from(leb(9000 + n), "latin1") as never)));
    }
    assert.ok(await has("secret number 3"));
    assert.ok(await has(Buffer.from(leb(9003), "latin1") as never));
    await store.rollback("before");
    assert.deepEqual(idsOf(store), ["f3"]);
    assert.ok(!(await has("secret number 4")));
    await store.close();
    assert.deepEqual(await readdir(join(folder, "memory")), ["facts.log"]);
    const again = await openStore(folder);
    assert.deepEqual([idsOf(again), again.snapshots], [["f3"], [{ name: "before", numFacts: 1 }]]);
  }));

test("who looks and changes at the same moment is one writer", () =>
  inFolder(async (folder) => {
    const store = await openStore(folder);
    // In this order: what is taught after it was forgotten stays.
    await Promise.all([store.forget({ id: "f1" }), store.add([factOf(1)])]);
    await store.close();
    const again = await openStore(folder);
    assert.deepEqual(idsOf(again), ["f1"]);
    await again.close();
  }));

test("who reads sees what another writes, writes nothing and keeps nobody out", () =>
  inFolder(async (folder) => {
    const reader = await openStore(folder);
    assert.deepEqual(await reader.forget({ id: "f1" }), { facts: [], learned: [] });
    assert.deepEqual(await readdir(folder), []);
    const one = await openStore(folder);
    await one.add([factOf(1)]);
    for (let tries = 0; idsOf(reader).length === 0; tries++) {
      assert.ok(tries < 3000, "it was not seen within a minute");
      await delay(20);
    }
    await one.forget({ id: "f1" });
    await one.add([factOf(2)]);
    await one.close();
    assert.deepEqual(await readdir(join(folder, "memory")), ["facts.log"]);
    // Who erases does not wait to be told.
    const { facts: gone } = await reader.forget({ id: "f2" });
    assert.deepEqual([gone.map(({ id }) => id), idsOf(reader)], [["f2"], []]);
    await reader.close();
  }));

test("who reads after a fact has expired writes nothing; the next change takes its bytes along", () =>
  inFolder(async (folder) => {
    let now = Date.parse("2026-11-28T12:00:00.000Z");
    const path = join(folder, "memory", "facts.log");
    const open = async (): Promise<FactStore> => {
      const log = new FactLogFile(join(folder, "memory"), { vocabulary });
      return new FactStore({ log, records: await log.read(), now: () => now });
    };
    const expiring = (n: number): FactToAdd => {
      const { fact, edits } = factOf(n);
      return { fact: { ...fact, expiresAt: new Date(now + 1000).toISOString() }, edits };
    };
    const vector = { layerId: 1, keys: [[1, 2]], vector: new Float32Array(4) };
    const subject = { factIds: ["f1", "f3"], mark: "m", vectors: [vector] };
    const gone = (...texts: string[]) => ({ facts: texts, learned: [] });
    for (const change of [
      (store: FactStore) => store.add([factOf(4)]),
      (store: FactStore) => store.snapshot("later"),
      // It is not there any more, as far as anybody can see.
      async (store: FactStore) => assert.deepEqual(await store.forget({ id: "f1" }), gone()),
      async (store: FactStore) => assert.deepEqual(await store.forget({ id: "none" }), gone()),
    ]) {
      {
        const writer = await open();
        await writer.add([expiring(1), factOf(2), { ...factOf(3), subject }]);
        await writer.close();
      }
      now += 1000;
      const before = await readFile(path);
      const reader = await open();
      assert.deepEqual(idsOf(reader), ["f2", "f3"]);
      assert.equal(reader.facts()[1]!.subject, undefined);
      assert.notEqual(reader.memory(undefined), undefined);
      await reader.close();
      assert.deepEqual(await readdir(join(folder, "memory")), ["facts.log"]);
      assert.ok(before.equals(await readFile(path)));
      const other = await open();
      await change(other);
      await other.close();
      const after = await readFile(path, "latin1");
      assert.ok(!after.includes("secret number 1") && after.includes("secret number 3"));
      await rm(folder, { recursive: true });
    }
    await mkdir(folder);
    // Who has written before does not wait for the next change.
    const writer = await open();
    await writer.add([expiring(1), factOf(2)]);
    now += 1000;
    assert.deepEqual(idsOf(writer), ["f2"]);
    await writer.close();
    assert.ok(!(await readFile(path, "latin1")).includes("secret number 1"));
  }));

test("a snapshot brings back what was replaced, after a restart as well", () =>
  inFolder(async (folder) => {
    const store = await openStore(folder);
    await store.add([factOf(1)]);
    await store.snapshot("one");
    const { fact, edits } = factOf(1);
    await store.add([{ fact: { ...fact, completion: " changed" }, edits }]);
    await store.close();
    const again = await openStore(folder);
    assert.deepEqual(
      again.facts().map((one) => one.fact.completion),
      [" changed"],
    );
    await again.rollback("one");
    assert.deepEqual(
      again.facts().map((one) => one.fact.completion),
      [" word1"],
    );
    await assert.rejects(again.rollback("none"), /there are: one/);
    await again.removeSnapshot("one");
    await again.close();
  }));

test("a fact that is replaced again and again does not make the log grow", () =>
  inFolder(async (folder) => {
    const path = join(folder, "memory", "facts.log");
    const store = await openStore(folder);
    await store.add([factOf(1)]);
    const { length } = await readFile(path);
    for (let n = 0; n < 4; n++) await store.add(Array.from({ length: 100 }, () => factOf(1)));
    await store.add([factOf(2)]);
    assert.ok((await readFile(path)).length < 150 * length);
    assert.deepEqual(idsOf(store), ["f1", "f2"]);
    await store.close();
    assert.deepEqual(idsOf(await openStore(folder)), ["f1", "f2"]);
  }));

test("damage and what leads elsewhere are refused by name, and nothing is changed", () =>
  inFolder(async (folder) => {
    const path = join(folder, "memory", "facts.log");
    const store = await openStore(folder);
    await store.add([factOf(1), factOf(2)]);
    await store.close();
    const bytes = await readFile(path);
    bytes[bytes.length - 30]! ^= 1;
    await writeFile(path, bytes);
    await assert.rejects(
      openStore(folder),
      (error) => error instanceof FormatError && error.message.startsWith(path),
    );
    assert.deepEqual(await readFile(path), bytes);
    await truncate(path, 20);
    await assert.rejects(openStore(folder), FormatError);
    await rm(path);
    await symlink(join(folder, "elsewhere"), path);
    await assert.rejects(openStore(folder), /expected a file/);
    await rm(join(folder, "memory"), { recursive: true });
    await mkdir(join(folder, "elsewhere"));
    await symlink(join(folder, "elsewhere"), join(folder, "memory"));
    await assert.rejects((await openStore(folder)).add([factOf(1)]), /expected a directory/);
    assert.deepEqual(await readdir(join(folder, "elsewhere")), []);
  }));

test("a model's memory is beside it, or with the user's data", () =>
  inFolder(async (folder) => {
    const env = { XDG_DATA_HOME: join(folder, "data") };
    const own = join(folder, "own");
    const cached = join(folder, "models--a--b", "snapshots", "123");
    await mkdir(own);
    await mkdir(cached, { recursive: true });
    await writeFile(join(cached, "config.json"), "{}");
    await writeFile(join(folder, "a.gguf"), "abc");
    await writeFile(join(folder, "b.gguf"), "abd");
    assert.equal(await memoryPlace(own, { env }), join(own, "memory"));
    const places: string[] = [];
    for (const path of [cached, join(folder, "a.gguf"), join(folder, "b.gguf")])
      places.push(await memoryPlace(path, { env }));
    assert.equal(new Set(places).size, 3);
    for (const place of places) assert.match(place, /\/data\/engram\/[0-9a-f]{32}$/);
    assert.equal(await memoryPlace(join(folder, "a.gguf"), { env }), places[1]);
  }));
