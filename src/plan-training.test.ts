import assert from "node:assert/strict";
import test from "node:test";
import { smallConfig, smallEngram } from "../test/models/random-model.ts";
import { buildLayout } from "./memory/index.ts";
import { type ModelConfig, paramLayout, type TrainedPart } from "./model/index.ts";
import { planTraining } from "./plan-training.ts";
import { findPreset, flatArrays } from "./training/index.ts";

const machine = { totalBytes: 2 ** 34, availableBytes: 2 ** 33 };
const recipe = { ...findPreset("tiny").training, batch: 4, length: 32, accumulate: 1 };

test("a plan counts every array that training holds, and every row with its moment and the count of its uses", () => {
  const layout = paramLayout(smallConfig);
  const arrays = flatArrays(layout, new Float32Array(layout.length));
  const held = Object.values(arrays).reduce((n, { byteLength }) => n + byteLength, 0);
  const rows = buildLayout(smallEngram).layers.reduce((n, { numRows }) => n + numRows, 0);
  const { parts } = planTraining(smallConfig, { recipe, machine });
  const bytes = Object.fromEntries(parts.map((part) => [part.what, part.bytes]));
  assert.equal(bytes["weights"]! + bytes["optimizer"]!, held + 5 * rows);
  assert.equal(bytes["table"], rows * 4 * smallEngram.headDim);
});

test("more passes a step take one more sum of gradients, and more memory vectors", () => {
  const bytesOf = (accumulate: number, what: string): number =>
    planTraining(smallConfig, { recipe: { ...recipe, accumulate }, machine }).parts.find(
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
    const { parts } = planTraining(config, { recipe, machine, train });
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

test("a model without memory has no table in its plan", () => {
  const { engram: _, ...config } = smallConfig;
  const { parts } = planTraining(config, { recipe, machine });
  assert.deepEqual(
    parts.map(({ what }) => what),
    ["weights", "optimizer", "activations"],
  );
});

test("a table on disk is planned as what it may use, with its moments in the same rows", () => {
  const { parts } = planTraining(smallConfig, { recipe, machine, tableMemory: 12_345 });
  const table = parts.find(({ onDisk }) => onDisk !== undefined)!;
  const rows = buildLayout(smallEngram).layers.reduce((n, { numRows }) => n + numRows, 0);
  assert.equal(table.bytes, 12_345);
  assert.equal(table.onDisk, rows * 4 * (smallEngram.headDim + 1));
  const optimizer = parts.find(({ what }) => what === "optimizer")!;
  assert.equal(optimizer.bytes, 3 * 4 * paramLayout(smallConfig).length);
});
