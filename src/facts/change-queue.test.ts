import assert from "node:assert/strict";
import { test } from "node:test";
import type { FactToAdd } from "./contents.ts";
import { FactStore } from "./index.ts";

const wordOf = (id: string): FactToAdd => ({
  fact: {
    id,
    scope: "default",
    prompt: "a",
    completion: "b",
    createdAt: "2026-11-28T12:00:00.000Z",
  },
  edits: [],
});

test("what is forgotten may have come in the same breath, as a fact or as a text that was read", async () => {
  const store = new FactStore({});
  void store.add([wordOf("stays")]);
  void store.add([wordOf("goes")]);
  void store.learn({ ids: [1, 2, 3], scope: "read" });
  const [gone, read] = await Promise.all([
    store.forget({ id: "goes" }),
    store.forget({ all: true, scope: "read" }),
  ]);
  assert.deepEqual(
    gone.facts.map(({ id }) => id),
    ["goes"],
  );
  assert.deepEqual(read, { facts: [], learned: [{ scope: "read", texts: 1, tokens: 3 }] });
  assert.deepEqual(
    store.facts().map(({ fact }) => fact.id),
    ["stays"],
  );
  assert.deepEqual(store.learnedSizes(), []);
});

test("a quota counts what waits for the same writing: facts, and texts that were read", async () => {
  const store = new FactStore({});
  const text = (): Promise<void> =>
    store.learn({ ids: Array.from({ length: 50 }, () => 7), scope: "read" }, { maxBytes: 200 });
  const read = await Promise.allSettled([text(), text(), text(), text()]);
  const kept = read.filter(({ status }) => status === "fulfilled").length;
  assert.ok(kept > 0 && kept < 4, `${kept} of 4`);
  assert.equal(store.learnedSizes()[0]!.tokens, 50 * kept);
  await assert.rejects(text());
  const facts = await Promise.allSettled(
    ["a", "b", "c"].map((id) => store.add([wordOf(id)], { maxFacts: 2 })),
  );
  assert.deepEqual(
    facts.map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected"],
  );
});
