import assert from "node:assert/strict";
import { test } from "node:test";
import { FormatError, StoreError } from "../errors.ts";
import type { FactToAdd } from "./contents.ts";
import { FactStore } from "./fact-store.ts";
import { type LogFile, WholeFileLog } from "./whole-file-log.ts";

/** A file that two pages have in common. */
class SharedFile {
  bytes: Uint8Array | undefined;
  isFull = false;
  readonly #pages = new Map<LogFile, () => void>();
  #last: Promise<void> = Promise.resolve();

  /** To all pages but one. */
  tell(by?: LogFile): void {
    for (const [page, onChange] of this.#pages) if (page !== by) setImmediate(onChange);
  }

  page(): LogFile {
    const page: LogFile = {
      name: "the page's facts",
      read: async () => this.bytes?.slice(),
      write: async (content) => {
        if (this.isFull) throw new DOMException("full", "QuotaExceededError");
        this.bytes = content.slice();
        this.tell(page);
      },
      alone: (work) => {
        const done = this.#last.then(work);
        this.#last = done.catch(() => undefined);
        return done;
      },
      watch: (onChange) => void this.#pages.set(page, onChange),
      close: () => void this.#pages.delete(page),
    };
    return page;
  }
}

const fingerprint = new Uint8Array(32).fill(7);
const numIds = 100_000;

async function opened(file: SharedFile): Promise<FactStore> {
  const log = new WholeFileLog(file.page(), { fingerprint, numIds });
  return new FactStore({ log, records: await log.read() });
}

function factOf(n: number): FactToAdd {
  const fact = {
    id: `f${n}`,
    scope: "default",
    prompt: `The secret number ${n} is`,
    completion: ` word${n}`,
    createdAt: "2026-11-29T12:00:00.000Z",
  };
  return { fact, edits: [{ ids: [1, 2, 3, 1000 + n, 9000 + n], from: 4 }] };
}

async function eventually(store: FactStore, ids: readonly string[]): Promise<void> {
  for (let turn = 0; idsOf(store).toSorted().join() !== ids.join(); turn++) {
    assert.ok(turn < 100, `${idsOf(store)}`);
    await new Promise(setImmediate);
  }
}

const idsOf = (store: FactStore): string[] => store.facts().map(({ fact }) => fact.id);

test("what was taught is there at the next visit, and what was erased is in no byte of the file", async () => {
  const file = new SharedFile();
  const store = await opened(file);
  assert.equal(file.bytes, undefined);
  await store.add([factOf(1), factOf(2)]);
  await store.close();
  const again = await opened(file);
  assert.deepEqual(idsOf(again), ["f1", "f2"]);
  await again.forget({ id: "f1", scope: "default" });
  const text = Buffer.from(file.bytes!).toString("latin1");
  assert.ok(!text.includes("word1") && text.includes("word2"));
  assert.deepEqual(idsOf(await opened(file)), ["f2"]);
});

test("two pages write what both have taught, and each sees the other's", async () => {
  const file = new SharedFile();
  const [one, other] = [await opened(file), await opened(file)];
  await Promise.all([one.add([factOf(1)]), other.add([factOf(2)]), one.add([factOf(3)])]);
  await other.forget({ id: "f1", scope: "default" });
  await one.add([factOf(4)]);
  const all = ["f2", "f3", "f4"];
  assert.deepEqual(idsOf(await opened(file)).toSorted(), all);
  for (const store of [one, other]) await eventually(store, all);
});

test("what a visitor removed is gone from a page that is still open, told of it or not", async () => {
  const file = new SharedFile();
  const store = await opened(file);
  await store.add([factOf(1)]);
  file.bytes = undefined;
  await store.add([factOf(2)]);
  assert.deepEqual(idsOf(store), ["f2"]);
  assert.ok(!Buffer.from(file.bytes!).toString("latin1").includes("word1"));
  file.bytes = undefined;
  file.tell();
  await eventually(store, []);
});

test("a browser without room leaves what was taught before, and says so", async () => {
  const file = new SharedFile();
  const store = await opened(file);
  await store.add([factOf(1)]);
  const before = file.bytes;
  file.isFull = true;
  await assert.rejects(store.add([factOf(2)]), (error: Error) => {
    assert.ok(error instanceof StoreError);
    assert.match(error.message, /full; what was taught before is kept/);
    return true;
  });
  assert.equal(file.bytes, before);
  assert.deepEqual(idsOf(store), ["f1"]);
  file.isFull = false;
  await store.add([factOf(3)]);
  assert.deepEqual(idsOf(await opened(file)), ["f1", "f3"]);
});

test("a damaged file, one cut short and another vocabulary's are refused", async () => {
  const file = new SharedFile();
  await (await opened(file)).add([factOf(1)]);
  const whole = file.bytes!;
  for (let length = 0; length < whole.length; length += 7) {
    file.bytes = whole.slice(0, length);
    // Cut behind its header it has no facts, as one that never had any.
    if (length !== 48) await assert.rejects(opened(file), FormatError, `${length} bytes`);
  }
  for (let at = 0; at < whole.length; at++) {
    file.bytes = whole.slice();
    file.bytes[at]! ^= 1;
    await assert.rejects(opened(file), FormatError, `byte ${at}`);
  }
  file.bytes = whole;
  const log = new WholeFileLog(file.page(), {
    fingerprint: new Uint8Array(32).fill(8),
    numIds,
  });
  await assert.rejects(log.read(), /another vocabulary/);
});
