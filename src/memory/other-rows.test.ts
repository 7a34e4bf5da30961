import assert from "node:assert/strict";
import { test } from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig, smallEngram } from "../../test/models/random-model.ts";
import { NonFiniteError } from "../errors.ts";
import { referenceBackend } from "../tensor/index.ts";
import {
  type HashedMemory,
  meanRows,
  noiseRows,
  type RetrievalTable,
  shuffledRows,
} from "./index.ts";

const engram = { ...smallEngram, layerIds: [0, 1] };

async function someMemory(): Promise<HashedMemory> {
  return (await randomModel(referenceBackend(), { ...smallConfig, engram })).memory!;
}

/** All rows of a table, as numbers. */
async function rowsOf({ store, format }: RetrievalTable): Promise<Float32Array[]> {
  const bytes = new Uint8Array(store.numRows * format.rowBytes);
  const values = new Float32Array(store.numRows * format.headDim);
  await store.read(
    Uint32Array.from({ length: store.numRows }, (_, row) => row),
    bytes,
  );
  format.decode(bytes, values);
  return Array.from({ length: store.numRows }, (_, row) =>
    values.slice(row * format.headDim, (row + 1) * format.headDim),
  );
}

const length = (row: Float32Array): number => Math.hypot(...row);

test("shuffled rows are the rows of the same layer, order and head, each once and hardly any in its place", async () => {
  const memory = await someMemory();
  const shuffled = shuffledRows(memory, { seed: 1 });
  assert.notEqual(shuffled.identity, memory.identity);
  for (const [i, layer] of memory.addressing.layout.layers.entries()) {
    const before = await rowsOf(memory.tables[i]!);
    const after = await rowsOf(shuffled.tables[i]!);
    for (const [column, prime] of layer.primes.entries()) {
      const begin = layer.offsets[column]!;
      const own = before.slice(begin, begin + prime).map(String);
      const others = after.slice(begin, begin + prime).map(String);
      assert.deepEqual(others.toSorted(), own.toSorted());
      assert.ok(others.filter((row, at) => row === own[at]).length <= 1);
    }
  }
  const again = await rowsOf(shuffledRows(memory, { seed: 1 }).tables[0]!);
  assert.deepEqual(again, await rowsOf(shuffled.tables[0]!), "a seed shuffles in one way");
  const otherwise = await rowsOf(shuffledRows(memory, { seed: 2 }).tables[0]!);
  assert.notDeepEqual(again, otherwise);
});

test("noise has the rows' own lengths, and nothing else of them", async () => {
  const memory = await someMemory();
  await memory.tables[0]!.store.write!(Uint32Array.of(5), new Uint8Array(32));
  const noise = noiseRows(memory);
  const before = await rowsOf(memory.tables[0]!);
  const after = await rowsOf(noise.tables[0]!);
  toBeClose(after.map(length), before.map(length), { rtol: 1e-5, atol: 1e-6 });
  assert.equal(length(after[5]!), 0, "what was never written stays nothing");
  // Cosines of independent directions in 8 dimensions: mean 0, deviation 1/sqrt(8).
  const cosines = (one: Float32Array[], other: Float32Array[]): number[] =>
    one.flatMap((row, i) => {
      const size = length(row) * length(other[i]!);
      return size === 0 ? [] : [row.reduce((sum, x, k) => sum + x * other[i]![k]!, 0) / size];
    });
  const elsewhere = await rowsOf(noise.tables[1]!);
  for (const other of [before, elsewhere, [...after.slice(1), after[0]!]]) {
    const found = cosines(after, other);
    const mean = found.reduce((sum, x) => sum + x, 0) / found.length;
    const square = found.reduce((sum, x) => sum + x * x, 0) / found.length;
    assert.ok(Math.abs(mean) < 4 / Math.sqrt(8 * found.length), `mean cosine ${mean}`);
    assert.ok(Math.abs(square - 1 / 8) < 0.05, `mean square of cosines ${square}`);
  }
  assert.deepEqual(await rowsOf(noiseRows(memory).tables[0]!), after, "and is always the same");
});

test("mean rows are the mean of what the text reads, by layer, order and head", async () => {
  const memory = await someMemory();
  const ids = Array.from({ length: 9000 }, (_, i) => (i * i + 3 * (i >> 2)) % 40);
  const texts = [
    { ids, from: 0, to: 7000 },
    { ids, begin: 7000, from: 7000, to: 9000 },
  ];
  const means = await meanRows(memory, texts);
  const reader = memory.reader();
  const at = reader.address(texts);
  for (const [i, layer] of memory.addressing.layout.layers.entries()) {
    const rows = await rowsOf(memory.tables[i]!);
    const read = at.rows.get(layer.layerId)!;
    const found = await rowsOf(means.tables[i]!);
    for (const column of layer.primes.keys()) {
      const expected = new Float64Array(8);
      for (let p = 0; p < 9000; p++)
        for (let k = 0; k < 8; k++) expected[k]! += rows[read[4 * p + column]!]![k]! / 9000;
      const begin = layer.offsets[column]!;
      for (const row of found.slice(begin, begin + layer.primes[column]!))
        toBeClose(row, Float32Array.from(expected), { rtol: 1e-4, atol: 1e-5 });
    }
  }
  await assert.rejects(meanRows(memory, []), /it is empty/);
  await assert.rejects(meanRows(memory, texts, { signal: AbortSignal.abort() }), /aborted/i);
});

test("other rows of a damaged table are refused, too", async () => {
  const memory = await someMemory();
  const bytes = new Uint8Array(new Float32Array(8).fill(Number.NaN).buffer);
  await memory.tables[0]!.store.write!(Uint32Array.of(7), bytes);
  await assert.rejects(rowsOf(noiseRows(memory).tables[0]!), NonFiniteError);
});
