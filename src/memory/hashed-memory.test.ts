import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryConformance, type MemoryToTest } from "../../test/conformance/memory.ts";
import { randomModel, smallConfig, smallEngram } from "../../test/models/random-model.ts";
import { InvalidConfigError, RequestError } from "../errors.ts";
import { referenceBackend } from "../tensor/backends/reference/index.ts";
import {
  ablated,
  cached,
  type HashedMemory,
  RamStore,
  rowsForIds,
  type RowStore,
  TrainableHashedMemory,
  type WritableRowStore,
} from "./index.ts";

const engram = { ...smallEngram, layerIds: [0, 1], maxNgramSize: 4, minBucketRows: [31, 37, 53] };
const { vocabSize } = smallConfig;

async function hashed(): Promise<HashedMemory> {
  return (await randomModel(referenceBackend(), { ...smallConfig, engram })).memory!;
}

function late(store: RowStore): RowStore {
  const { numRows, rowBytes } = store;
  const read: RowStore["read"] = async (rows, into) => {
    await undefined;
    await store.read(rows, into);
  };
  return { numRows, rowBytes, read, close: async () => undefined };
}

const kinds: Readonly<Record<string, (memory: HashedMemory) => HashedMemory>> = {
  "tables in RAM": (memory) => memory,
  "tables that answer late": (memory) =>
    memory.withTables((table) => ({ ...table, store: late(table.store) })),
  "tables behind small caches": (memory) =>
    memory.withTables((table) => ({
      ...table,
      store: cached(late(table.store), { bytes: 4000 }),
    })),
  "a part of it taken away": (memory) => ablated(memory, { orders: [3], heads: [1] }),
  "a memory that learns": (memory) => trainable(memory),
};

for (const [name, change] of Object.entries(kinds))
  memoryConformance(name, async (): Promise<MemoryToTest> => {
    return { memory: change(await hashed()), vocabSize };
  });

function trainable(memory: HashedMemory): TrainableHashedMemory {
  const beside = (rowBytes: number): RamStore[] =>
    memory.tables.map(({ store: { numRows } }) => new RamStore({ numRows, rowBytes }));
  const [moments, uses] = [beside(4), beside(1)];
  return new TrainableHashedMemory(
    memory,
    memory.tables.map((_, i) => ({ moments: moments[i]!, uses: uses[i]! })),
  );
}

test("vectors are the rows that the published addresses name, side by side", async () => {
  const memory = await hashed();
  const ids = [3, 3, 17, 39, 0, 5, 3, 3, 17];
  const reader = memory.reader();
  const at = reader.address([{ ids, from: 2, to: ids.length }]);
  const width = memory.inputs[0]!.width;
  const into = new Map(
    memory.inputs.map(({ layerId }) => [layerId, new Float32Array(7 * width)] as const),
  );
  await reader.lookUp(at, into).all();
  const { layers } = rowsForIds({ config: engram, ids, tokenMap: memory.tokenMap });
  for (const { layerId, store, format } of memory.tables) {
    const rows = Uint32Array.from(layers[layerId]!.slice(2).flat());
    assert.deepEqual(at.rows.get(layerId), rows);
    const bytes = new Uint8Array(rows.length * format.rowBytes);
    await store.read(rows, bytes);
    assert.deepEqual([...into.get(layerId)!], [...new Float32Array(bytes.buffer)]);
  }
});

test("a view has a name of its own, and the same view the same name", async () => {
  const memory = await hashed();
  const without = ablated(memory, { orders: [2] });
  assert.notEqual(without.identity, memory.identity);
  assert.equal(ablated(memory, { orders: [2] }).identity, without.identity);
  assert.notEqual(ablated(memory, { orders: [3] }).identity, without.identity);
  assert.throws(() => ablated(memory, { heads: [2] }), RequestError);
});

test("an update moves the rows that were read and no others, and renames the memory", async () => {
  const memory = trainable(await hashed());
  const { identity } = memory;
  const tableBytes = (): number[][] =>
    memory.tables.map(({ store }) => [...(store as RamStore).segments].flatMap((s) => [...s]));
  const before = tableBytes();
  const reader = memory.trainingReader();
  const ids = [7, 8, 9, 8, 9];
  const at = reader.address([{ ids, from: 0, to: ids.length }]);
  const vectors = (fill: number): Map<number, Float32Array> =>
    new Map(
      memory.inputs.map((input) => [
        input.layerId,
        new Float32Array(ids.length * input.width).fill(fill),
      ]),
    );
  await reader.lookUp(at, vectors(0)).all();
  await reader.update(vectors(0.5), { lr: 0.1, step: 0 });
  assert.notEqual(memory.identity, identity);
  const after = tableBytes();
  for (const [i, { layerId, format }] of memory.tables.entries()) {
    const read = new Set(at.rows.get(layerId));
    for (let row = 0; row * format.rowBytes < after[i]!.length; row++) {
      const place = [row * format.rowBytes, (row + 1) * format.rowBytes] as const;
      const isSame = after[i]!.slice(...place).join() === before[i]!.slice(...place).join();
      assert.equal(isSame, !read.has(row), `row ${row} of layer ${layerId}`);
    }
  }
});

test("tables of other layers than the addresses' are refused", async () => {
  const memory = await hashed();
  assert.throws(
    () => memory.withTables((table) => ({ ...table, layerId: table.layerId + 1 })),
    (error) =>
      error instanceof InvalidConfigError && /layers 0, 1 .* got .* 1, 2/.test(error.message),
  );
});

test("a store that can only be read is not written to", async () => {
  const memory = await hashed();
  const readOnly = memory.withTables((table) => ({ ...table, store: late(table.store) }));
  const state = { read: async () => undefined, write: async () => undefined };
  const learning = new TrainableHashedMemory(
    readOnly,
    readOnly.tables.map(() => {
      const store = state as unknown as WritableRowStore;
      return { moments: store, uses: store };
    }),
  );
  const reader = learning.trainingReader();
  const at = reader.address([{ ids: [1, 2], from: 0, to: 2 }]);
  const vectors = new Map(
    learning.inputs.map(({ layerId, width }) => [layerId, new Float32Array(2 * width)]),
  );
  await reader.lookUp(at, vectors).all();
  await assert.rejects(reader.update(vectors, { lr: 1, step: 0 }), /can only be read/);
});
