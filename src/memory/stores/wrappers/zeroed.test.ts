import assert from "node:assert/strict";
import { test } from "node:test";
import { storeConformance } from "../../../../test/conformance/store.ts";
import { InvalidConfigError } from "../../../errors.ts";
import { zeroed } from "./zeroed.ts";
import { RamStore } from "../ram/ram.ts";

storeConformance("with nothing zeroed", {
  makeStore: async (fixture) => {
    const store = new RamStore(fixture);
    for (const [row, bytes] of fixture.rows) await store.write(Uint32Array.of(row), bytes);
    return { store: zeroed(store, {}), dispose: () => store.close() };
  },
});

test("zeroed rows and ranges read as zeros, their neighbours as they are", async () => {
  const store = new RamStore({ numRows: 10, rowBytes: 2 });
  const all = Uint32Array.from({ length: 10 }, (_, row) => row);
  await store.write(all, new Uint8Array(20).fill(7));
  const view = zeroed(store, { ranges: [{ begin: 2, end: 4 }], rows: [7] });
  const into = new Uint8Array(20);
  await view.read(all, into);
  const kept = [...all].filter((row) => into[2 * row] === 7 && into[2 * row + 1] === 7);
  assert.deepEqual(kept, [0, 1, 4, 5, 6, 8, 9]);
  assert.equal(into.filter((byte) => byte === 0).length, 6);
  await view.close();
  await store.read(all, into);
  assert.ok(into.every((byte) => byte === 7));
});

test("a row that the table does not have cannot be zeroed", () => {
  const store = new RamStore({ numRows: 10, rowBytes: 2 });
  assert.throws(() => zeroed(store, { rows: [10] }), InvalidConfigError);
});
