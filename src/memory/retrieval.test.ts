import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { StoreError } from "../errors.ts";
import { RamStore, Retrieval, ROW_FORMAT_NAMES, rowFormat, type RowStore } from "./index.ts";

/** Counts what is asked of a store. */
function counted(store: RowStore): { store: RowStore; asked: number[][] } {
  const asked: number[][] = [];
  return {
    asked,
    store: {
      numRows: store.numRows,
      rowBytes: store.rowBytes,
      read: (rows, into) => {
        asked.push([...rows]);
        return store.read(rows, into);
      },
      prefetch: (rows) => void asked.push([...rows]),
      close: () => store.close(),
    },
  };
}

/** A table of numbers with at most 4 significant bits: exact in every format. */
async function table(name: string, { numRows, headDim }: { numRows: number; headDim: number }) {
  const format = rowFormat(name, headDim);
  const store = new RamStore({ numRows, rowBytes: format.rowBytes });
  const values = Float32Array.from({ length: numRows * headDim }, (_, i) =>
    value(Math.floor(i / headDim), i % headDim),
  );
  const bytes = new Uint8Array(numRows * format.rowBytes);
  format.encode(values, bytes);
  await store.write(
    Uint32Array.from({ length: numRows }, (_, row) => row),
    bytes,
  );
  return { store, format };
}

function value(row: number, j: number): number {
  return (row % 8) + (j % 2) * 0.5;
}

// Values that f32, bf16 and fp8 hold exactly; the scaled integers have tests of their own.
for (const name of ROW_FORMAT_NAMES.filter((format) => !format.startsWith("int")))
  test(`every position gets the rows it asked for, side by side (${name})`, async () => {
    const retrieval = new Retrieval([
      { layerId: 3, ...(await table(name, { numRows: 50, headDim: 5 })) },
    ]);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(49), { maxLength: 60 }), async (rows) => {
        const memory_PE = new Float32Array(rows.length * 5).fill(NaN);
        await retrieval.retrieve(3, { rows: Uint32Array.from(rows), memory_PE });
        for (const [i, row] of rows.entries())
          for (let j = 0; j < 5; j++) assert.equal(memory_PE[i * 5 + j], value(row, j));
      }),
    );
  });

test("a repeated row is read once", async () => {
  const { store, format } = await table("f32", { numRows: 9, headDim: 2 });
  const { store: meter, asked } = counted(store);
  const retrieval = new Retrieval([{ layerId: 1, store: meter, format }]);
  const batch = await retrieval.retrieve(1, {
    rows: Uint32Array.of(4, 4, 2, 4, 2, 8),
    memory_PE: new Float32Array(12),
  });
  assert.deepEqual(asked, [[4, 2, 8]]);
  assert.deepEqual([...batch.unique], [4, 2, 8]);
  assert.deepEqual([...batch.index], [0, 0, 1, 0, 1, 2]);
});

test("changed values are found by the next batch after they were written back", async () => {
  const retrieval = new Retrieval([
    { layerId: 1, ...(await table("f32", { numRows: 20, headDim: 3 })) },
  ]);
  const rows = Uint32Array.of(7, 3, 7);
  const memory_PE = new Float32Array(9);
  const batch = await retrieval.retrieve(1, { rows, memory_PE });
  batch.values.set([100, 101, 102], 0);
  await retrieval.writeBack(batch);
  await retrieval.retrieve(1, { rows, memory_PE });
  assert.deepEqual([...memory_PE], [100, 101, 102, 3, 3.5, 3, 100, 101, 102]);
});

test("layers have their own tables and are read together", async () => {
  const first = await table("f32", { numRows: 10, headDim: 1 });
  const second = await table("bf16", { numRows: 14, headDim: 2 });
  const retrieval = new Retrieval([
    { layerId: 1, ...first },
    { layerId: 14, ...second },
  ]);
  assert.deepEqual(retrieval.layerIds, [1, 14]);
  const one = new Float32Array(2);
  const two = new Float32Array(4);
  const rows = new Map([
    [1, Uint32Array.of(9, 0)],
    [14, Uint32Array.of(13, 0)],
  ]);
  const into = new Map([
    [1, one],
    [14, two],
  ]);
  await retrieval.lookUp(rows, { into }).all();
  assert.deepEqual([...one], [1, 0]);
  assert.deepEqual([...two], [5, 5.5, 0, 0.5]);
  assert.deepEqual(
    retrieval.layerIds.map((layerId) => [...retrieval.batchOf(layerId).unique]),
    [
      [9, 0],
      [13, 0],
    ],
  );
});

test("a prefetch asks the store for distinct rows and leaves the batch at hand alone", async () => {
  const { store, format } = await table("f32", { numRows: 9, headDim: 1 });
  const { store: meter, asked } = counted(store);
  const retrieval = new Retrieval([{ layerId: 1, store: meter, format }]);
  const batch = await retrieval.retrieve(1, {
    rows: Uint32Array.of(4, 2),
    memory_PE: new Float32Array(2),
  });
  retrieval.prefetch(1, Uint32Array.of(8, 8, 1));
  assert.deepEqual(asked, [
    [4, 2],
    [8, 1],
  ]);
  assert.deepEqual([...batch.unique], [4, 2]);
});

test("mistakes are refused by layer and number", async () => {
  const { store, format } = await table("f32", { numRows: 9, headDim: 2 });
  const retrieval = new Retrieval([{ layerId: 1, store, format }]);
  const rows = Uint32Array.of(1);
  assert.throws(
    () => retrieval.retrieve(2, { rows, memory_PE: new Float32Array(2) }),
    /layer 2 has no table; layers 1/,
  );
  await assert.rejects(
    retrieval.retrieve(1, { rows, memory_PE: new Float32Array(3) }),
    /layer 1: 1 rows of 2.*has 3/,
  );
  await assert.rejects(
    retrieval.retrieve(1, { rows: Uint32Array.of(9), memory_PE: new Float32Array(2) }),
    (error) => error instanceof StoreError && /row 9.*9 rows/.test(error.message),
  );
  assert.throws(
    () => new Retrieval([{ layerId: 1, store, format: rowFormat("bf16", 2) }]),
    /rows of 8 bytes.*bf16 take 4/,
  );
  assert.throws(
    () =>
      new Retrieval([
        { layerId: 1, store, format },
        { layerId: 1, store, format },
      ]),
    /layers 1, 1/,
  );
  const { store: readOnly } = counted(store);
  const reading = new Retrieval([{ layerId: 1, store: readOnly, format }]);
  const batch = await reading.retrieve(1, { rows, memory_PE: new Float32Array(2) });
  await assert.rejects(reading.writeBack(batch), /layer 1: its store can only be read/);
});

test("a second batch of a layer before the first has come is refused, and the first still comes", async () => {
  const { store, format } = await table("f32", { numRows: 9, headDim: 1 });
  const { store: slow } = counted(store);
  const retrieval = new Retrieval([{ layerId: 1, store: slow, format }]);
  const rows = Uint32Array.of(5);
  const memory_PE = new Float32Array(1);
  const first = retrieval.retrieve(1, { rows, memory_PE });
  await assert.rejects(
    retrieval.retrieve(1, { rows, memory_PE: new Float32Array(1) }),
    /still being read/,
  );
  await first;
  assert.deepEqual([...memory_PE], [5]);
  await retrieval.retrieve(1, { rows, memory_PE });
  await retrieval.close();
  await assert.rejects(retrieval.retrieve(1, { rows, memory_PE }), /closed/);
});

test("a look-up serves what is at hand, and asks for the rest in all layers at once", async () => {
  const here = await table("f32", { numRows: 10, headDim: 1 });
  const far = await table("bf16", { numRows: 14, headDim: 2 });
  const { store: slow, asked } = counted(far.store);
  const retrieval = new Retrieval([
    { layerId: 1, ...here },
    { layerId: 14, ...far, store: slow },
  ]);
  const one = new Float32Array(2);
  const two = new Float32Array(4);
  const into = new Map([
    [1, one],
    [14, two],
  ]);
  const rows = new Map([[1, Uint32Array.of(9, 0)]]);
  assert.equal(retrieval.lookUp(rows, { into }).isDone, true);
  assert.deepEqual([...one], [1, 0]);
  const both = retrieval.lookUp(rows.set(14, Uint32Array.of(13, 0)), { into });
  assert.equal(both.isDone, false);
  assert.deepEqual([both.hasArrived(1), both.hasArrived(14)], [true, false]);
  both.begin();
  assert.deepEqual(asked, [[13, 0]]);
  await both.arrival(14);
  assert.equal(both.isDone, true);
  assert.deepEqual([...two], [5, 5.5, 0, 0.5]);
});

test("a look-up that fails in one layer still ends in the others", async () => {
  const { store, format } = await table("f32", { numRows: 9, headDim: 1 });
  const { store: slow } = counted(store);
  const retrieval = new Retrieval([
    { layerId: 1, store: slow, format },
    { layerId: 2, store: slow, format },
  ]);
  const one = new Float32Array(1);
  const rows = new Map([
    [2, Uint32Array.of(9)],
    [1, Uint32Array.of(4)],
  ]);
  const into = new Map([
    [1, one],
    [2, new Float32Array(1)],
  ]);
  const lookUp = retrieval.lookUp(rows, { into });
  lookUp.begin();
  await assert.rejects(lookUp.arrival(2), /row 9.*9 rows/);
  await lookUp.settled();
  assert.deepEqual([...one], [4]);
  assert.deepEqual([lookUp.isDone, lookUp.hasArrived(1)], [false, true]);
});
