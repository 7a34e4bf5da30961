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
  const [gone] = await Promise.all([
    store.forget({ id: "goes" }),
    store.forget({ all: true, scope: "read" }),
  ]);
  assert.deepEqual(
    gone.map(({ id }) => id),
    ["goes"],
  );
  assert.deepEqual(
    store.facts().map(({ fact }) => fact.id),
    ["stays"],
  );
  assert.deepEqual(store.learnedSizes(), []);
});
