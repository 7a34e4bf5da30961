import assert from "node:assert/strict";
import { test } from "node:test";
import { randomModel, smallConfig, smallEngram } from "../../test/models/random-model.ts";
import { referenceBackend } from "../tensor/backends/reference/index.ts";
import {
  CrossFittedRows,
  Folds,
  type HashedMemory,
  RamStore,
  type TokenSpan,
  TrainableHashedMemory,
} from "./index.ts";

const engram = { ...smallEngram, layerIds: [0, 1] };
const folds = 3;
const foldLength = 6;
const ids = Int32Array.from({ length: folds * foldLength }, (_, i) => (i * 7) % 11);

async function parts(): Promise<[HashedMemory, ConstructorParameters<typeof CrossFittedRows>[1]]> {
  const memory: HashedMemory = (await randomModel(referenceBackend(), { ...smallConfig, engram }))
    .memory!;
  const inRam = (numRows: number, rowBytes: number): RamStore =>
    new RamStore({ numRows, rowBytes });
  return [
    memory.withTables((table) => ({
      ...table,
      store: inRam(table.store.numRows, table.store.rowBytes),
    })),
    memory.tables.map(({ store: { numRows, rowBytes } }) => ({
      moments: inRam(numRows, 4),
      uses: inRam(numRows, 1),
      withoutFold: Array.from({ length: folds }, () => ({
        values: inRam(numRows, rowBytes),
        moments: inRam(numRows, 4),
      })),
    })),
  ];
}

const crossFitted = async (): Promise<CrossFittedRows> =>
  new CrossFittedRows(...(await parts()), new Folds(ids.length, folds));

/** Ids `from`..`to`-1 of the text, read at their place in it. */
const spanOf = (from: number, to: number): TokenSpan => ({ ids, begin: 0, from, to, source: from });

function vectors(
  memory: TrainableHashedMemory,
  positions: number,
  fill = 0,
): Map<number, Float32Array> {
  return new Map(
    memory.inputs.map(({ layerId, width }) => [
      layerId,
      new Float32Array(positions * width).fill(fill),
    ]),
  );
}

async function readAt(memory: CrossFittedRows, span: TokenSpan): Promise<number[]> {
  const into = vectors(memory, span.to - span.from);
  const reader = memory.trainingReader();
  await reader.lookUp(reader.address([span]), into).all();
  return [...into.values()].flatMap((values) => [...values]);
}

async function step(
  memory: TrainableHashedMemory,
  span: TokenSpan,
  gradient: number,
): Promise<void> {
  const positions = span.to - span.from;
  const reader = memory.trainingReader();
  await reader.lookUp(reader.address([span]), vectors(memory, positions)).all();
  await reader.update(vectors(memory, positions, gradient), { lr: 0.1, step: 0 });
}

test("a fold is not read from what it wrote itself, and from what every other fold wrote", async () => {
  const memory = await crossFitted();
  // The label of a place decides its fold: the last place of a fold belongs to the next.
  const own = spanOf(0, foldLength - 1);
  const before = await readAt(memory, own);
  assert.ok(
    before.every((value) => value === 0),
    "tables start at zero",
  );
  await step(memory, own, 1);
  assert.deepEqual(await readAt(memory, own), before, "what fold 0 wrote");
  // The same ids, read as if they stood in fold 1.
  const elsewhere = { ...own, source: foldLength };
  assert.ok(
    (await readAt(memory, elsewhere)).every((value) => value < 0),
    "what fold 0 wrote, from fold 1",
  );
  await step(memory, { ...own, source: foldLength }, 1);
  assert.notDeepEqual(await readAt(memory, own), before, "what fold 1 wrote, from fold 0");
});

test("the table that is kept learns from all folds, as if there were no other", async () => {
  const memory = await crossFitted();
  const alone = new TrainableHashedMemory(...(await parts()));
  const all = spanOf(0, folds * foldLength - 1);
  await step(memory, all, 0.5);
  await step(alone, all, 0.5);
  for (const [i, { store }] of memory.tables.entries())
    assert.deepEqual(
      (store as RamStore).segments.map((bytes) => [...bytes]),
      (alone.tables[i]!.store as RamStore).segments.map((bytes) => [...bytes]),
    );
});
