import assert from "node:assert/strict";
import test from "node:test";
import { smallConfig, smallEngram } from "../test/models/random-model.ts";
import { buildLayout, CrossFittedCounts, estimateCounts, sortByContext } from "./memory/index.ts";
import { type ModelConfig, paramLayout, type TrainedPart } from "./model/index.ts";
import { Random } from "./numerics/index.ts";
import { planTraining } from "./plan-training.ts";
import { findPreset, flatArrays } from "./training/index.ts";

const machine = { totalBytes: 2 ** 34, availableBytes: 2 ** 33 };
const recipe = { ...findPreset("tiny").training, batch: 4, length: 32, accumulate: 1 };

const random = Random.fromSeed(9, "text");
/** Some ids are far more frequent than others, as in a text. */
const tokens = Uint16Array.from({ length: 20_000 }, () => Math.floor(60 * random.uniform() ** 3));
const text = { tokens, starts: Uint32Array.of(0, 7000) };
const counting = { order: 0, folds: 5, maxBytes: 0, text };

test("a plan counts every array that training holds, and every row with its moment and the count of its uses", () => {
  const layout = paramLayout(smallConfig);
  const arrays = flatArrays(layout, new Float32Array(layout.length));
  const held = Object.values(arrays).reduce((n, { byteLength }) => n + byteLength, 0);
  const rows = buildLayout(smallEngram).layers.reduce((n, { numRows }) => n + numRows, 0);
  const { parts } = planTraining(smallConfig, { recipe, counting, machine });
  const bytes = Object.fromEntries(parts.map((part) => [part.what, part.bytes]));
  assert.equal(bytes["weights"]! + bytes["optimizer"]!, held + 5 * rows);
  assert.equal(bytes["table"], rows * 4 * smallEngram.headDim);
});

test("more passes a step take one more sum of gradients, and more memory vectors", () => {
  const bytesOf = (accumulate: number, what: string): number =>
    planTraining(smallConfig, { recipe: { ...recipe, accumulate }, counting, machine }).parts.find(
      (part) => part.what === what,
    )!.bytes;
  assert.equal(
    bytesOf(2, "optimizer") - bytesOf(1, "optimizer"),
    4 * paramLayout(smallConfig).length,
  );
  const width = 2 * smallEngram.numHeads * smallEngram.headDim;
  assert.equal(bytesOf(2, "activations") - bytesOf(1, "activations"), 2 * 4 * 4 * 32 * width);
});

test("what is frozen is planned without gradients and moments, and without waiting for a way back", () => {
  const layout = paramLayout(smallConfig, "memory");
  const rows = buildLayout(smallEngram).layers.reduce((n, { numRows }) => n + numRows, 0);
  const bytesOf = (config: ModelConfig, train: TrainedPart): Record<string, number> => {
    const { parts } = planTraining(config, { recipe, counting, machine, train });
    return Object.fromEntries(parts.map(({ what, bytes }) => [what, bytes]));
  };
  const [all, frozen] = [bytesOf(smallConfig, "all"), bytesOf(smallConfig, "memory")];
  assert.equal(frozen["weights"], all["weights"]);
  assert.equal(frozen["optimizer"], 3 * 4 * layout.length + 5 * rows);
  const { engram: _, ...backbone } = { ...smallConfig, numLayers: 8, counted: { order: 3 } };
  const ofReader = bytesOf(backbone, "memory");
  assert.equal(ofReader["optimizer"], 3 * 4 * paramLayout(backbone, "memory").length);
  assert.ok(ofReader["activations"]! < bytesOf(backbone, "all")["activations"]! / 3);
});

test("scoring on the way takes no more sequences at a time than a step, and once more without the memory", () => {
  const scoring = (config: ModelConfig, batch: number): number =>
    planTraining(config, { recipe: { ...recipe, batch }, counting, machine }).parts.find(
      ({ what }) => what === "scoring",
    )!.bytes;
  const { engram: _, ...bare } = smallConfig;
  assert.equal(scoring(bare, 8), 8 * scoring(bare, 1));
  assert.equal(scoring(bare, 64), scoring(bare, 8));
  assert.equal(scoring(smallConfig, 4), 2 * scoring(bare, 4));
});

test("a model without memory has no table in its plan", () => {
  const { engram: _, ...config } = smallConfig;
  const { parts } = planTraining(config, { recipe, counting, machine });
  assert.deepEqual(
    parts.map(({ what }) => what),
    ["weights", "optimizer", "scoring", "activations"],
  );
});

test("a table on disk is planned as what it may use, with its moments in the same rows", () => {
  const { parts } = planTraining(smallConfig, { recipe, counting, machine, tableMemory: 12_345 });
  const table = parts.find(({ onDisk }) => onDisk !== undefined)!;
  const rows = buildLayout(smallEngram).layers.reduce((n, { numRows }) => n + numRows, 0);
  assert.equal(table.bytes, 12_345);
  assert.equal(table.onDisk, rows * 4 * (smallEngram.headDim + 1));
  const optimizer = parts.find(({ what }) => what === "optimizer")!;
  assert.equal(optimizer.bytes, 3 * 4 * paramLayout(smallConfig).length);
});

test("a table for each fold is planned with its moments", () => {
  const rowFolds = 7;
  const { parts } = planTraining(smallConfig, {
    recipe: { ...recipe, rowFolds },
    counting,
    machine,
  });
  const rows = buildLayout(smallEngram).layers.reduce((n, { numRows }) => n + numRows, 0);
  assert.equal(
    parts.find(({ what }) => what === "tables of 7 folds")?.bytes,
    rowFolds * rows * 4 * (smallEngram.headDim + 1),
  );
});

for (const order of [2, 3, 5])
  test(`the plan of counts of order ${order} is as large as what is built, and not half as large again`, async () => {
    const vocabSize = 60;
    const folds = 4;
    const counts = await CrossFittedCounts.of(text, { order, vocabSize, folds, layerId: 2 });
    const estimate = estimateCounts(text, { order, vocabSize });
    const ratio = estimate.tableBytes / counts.numBytes;
    assert.ok(ratio > 0.95 && ratio < 1.05, `${ratio}`);
    const { places, depths } = sortByContext(text, { order, vocabSize });
    assert.ok(estimate.scratchBytes >= places.byteLength + depths.byteLength + counts.numBytes);
    const { engram: _, ...sizes } = smallConfig;
    const config = { ...sizes, vocabSize, counted: { order } };
    const { parts } = planTraining(config, { recipe, counting: { ...counting, folds }, machine });
    const { bytes } = parts.find(({ what }) => what === "counts (estimated) with 4 folds")!;
    const kept = bytes - estimate.scratchBytes;
    assert.ok(kept >= counts.heldBytes && kept < 1.5 * counts.heldBytes, `${kept}`);
    const limited = { ...counting, folds, maxBytes: 5000 };
    const small = planTraining(config, { recipe, counting: limited, machine });
    const planned = small.parts.find(({ what }) => what.startsWith("counts"))!;
    assert.equal(planned.bytes, 5 * 5000 + estimate.scratchBytes);
  });
