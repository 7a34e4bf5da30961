import assert from "node:assert/strict";
import test from "node:test";
import { InvalidConfigError } from "../errors.ts";
import { checkPreset, modelOfPreset } from "../model-of-preset.ts";
import { findPreset, overridePreset, parseOverride, presetNames } from "./index.ts";

const tiny = findPreset("tiny");

test("a preset's numbers are changed by whole names and by their last parts, and nothing else is", () => {
  const { preset, overrides } = overridePreset(tiny, {
    lr: 1e-3,
    "model.headDim": 16,
    layerIds: [0, 2],
    minBucketRows: [10, 20],
    vocabSize: 300,
    tieEmbeddings: false,
    matrices: "adamw",
  });
  assert.deepEqual(preset, {
    ...tiny,
    vocabSize: 300,
    model: { ...tiny.model, headDim: 16, tieEmbeddings: false },
    memory: { ...tiny.memory, layerIds: [0, 2], minBucketRows: [10, 20] },
    training: { ...tiny.training, lr: 1e-3, matrices: "adamw" },
  });
  assert.deepEqual(overrides, {
    "training.lr": 1e-3,
    "model.headDim": 16,
    "memory.layerIds": [0, 2],
    "memory.minBucketRows": [10, 20],
    vocabSize: 300,
    "model.tieEmbeddings": false,
    "training.matrices": "adamw",
  });
  assert.deepEqual(overridePreset(tiny, {}), { preset: tiny, overrides: {} });
});

test("every number of every preset has a name, and takes its own value", () => {
  for (const name of presetNames) {
    const { description: _, vocabSize, ...parts } = findPreset(name);
    const all = Object.entries(parts).flatMap(([part, values]) =>
      Object.entries(values).map(([key, value]) => [`${part}.${key}`, value]),
    );
    const { preset } = overridePreset(findPreset(name), { vocabSize, ...Object.fromEntries(all) });
    assert.deepEqual(preset, findPreset(name));
  }
});

test("a gate can be made a constant, and computed again", () => {
  const gateOf = (preset: string, engramGate: unknown): number | undefined =>
    overridePreset(findPreset(preset), { engramGate }).preset.model.engramGate;
  assert.equal(gateOf("small", 0.25), 0.25);
  assert.equal(gateOf("tiny", "computed"), undefined);
  for (const wrong of [0, 1.5, "learned", true])
    assert.throws(
      () => gateOf("tiny", wrong),
      /engramGate: expected a number of 0.001..1, or computed/,
    );
});

test("another number of steps keeps the warm-up's share, unless that is given", () => {
  const warmup = (overrides: object): number =>
    overridePreset(tiny, { ...overrides }).preset.training.warmupSteps;
  assert.equal(warmup({ steps: 800 }), 60);
  assert.equal(warmup({ steps: 1 }), 1);
  assert.equal(warmup({ steps: 800, warmupSteps: 5 }), 5);
  assert.equal(warmup({ lr: 1 }), 30);
});

test("every position of a new model's context is trained; a model that is there may go on in shorter windows", () => {
  const read = (length: number) => overridePreset(tiny, { length }).preset;
  for (const name of presetNames) checkPreset(findPreset(name), { memory: true });
  assert.throws(() => checkPreset(read(64), { memory: true }), /expected the same number/);
  checkPreset(read(64), { memory: true, goesOn: true });
  for (const goesOn of [true, false])
    assert.throws(
      () => checkPreset(read(256), { memory: true, goesOn }),
      /windows of 256 .* context of 128/,
    );
});

test("words are read as JSON, as a list without brackets, or as they are", () => {
  for (const [word, expected] of [
    ["lr=1e-3", ["lr", 0.001]],
    ["memory.minBucketRows=4000,8000", ["memory.minBucketRows", [4000, 8000]]],
    ["layerIds=[1]", ["layerIds", [1]]],
    ["matrices=adamw", ["matrices", "adamw"]],
    ["tieEmbeddings = false", ["tieEmbeddings", false]],
  ] as const)
    assert.deepEqual(parseOverride(word), expected);
  for (const word of ["lr", "=3", ""])
    assert.throws(() => parseOverride(word), /expected NAME=VALUE/);
});

test("what is no setting, or cannot be its value, is refused with what is", () => {
  for (const [overrides, expected] of [
    [
      { lrr: 1 },
      /unknown setting "lrr"; there are: vocabSize, model\.hiddenSize, .*training\.clip/,
    ],
    [{ headDim: 16 }, /"headDim" could be model\.headDim or memory\.headDim/],
    [{ constructor: 1 }, /unknown setting "constructor"/],
    [{ lr: 0 }, /training\.lr: expected a number above 0, got 0/],
    [{ lr: "much" }, /training\.lr: expected a number above 0, got "much"/],
    [{ batch: 2.5 }, /training\.batch: expected a whole number of at least 1, got 2\.5/],
    [{ memoryFadeIn: 2 }, /expected a number from 0 to 1/],
    [{ matrices: "sgd" }, /expected muon or adamw/],
    [{ minBucketRows: [] }, /expected a list/],
    [{ lr: 1, "training.lr": 1 }, /training\.lr is given twice/],
  ] as const)
    assert.throws(
      () => overridePreset(tiny, overrides),
      (error: unknown) => {
        assert.ok(error instanceof InvalidConfigError);
        assert.match(error.message, expected);
        return true;
      },
    );
  assert.deepEqual(overridePreset(tiny, { layerIds: 2 }).preset.memory.layerIds, [2]);
});

test("sizes that do not fit together are refused before anything is made of them", () => {
  const facts = { memory: true, vocabSize: 300, eosTokenId: 0, compressedVocabSize: 290 };
  for (const [overrides, expected] of [
    [
      { numKvHeads: 4 },
      /num_attention_heads \(6\) must be a multiple of num_key_value_heads \(4\)/,
    ],
    [{ "model.headDim": 3 }, /head_dim must be even/],
    [{ numLayers: 1 }, /engram_layer_ids names layer 1/],
    [{ maxNgramSize: 4 }, /minBucketRows needs one entry for each order 2\.\.4, got 2/],
    [{ layerIds: [1, 1] }, /lists layer 1 twice/],
  ] as const) {
    const { preset } = overridePreset(tiny, overrides);
    assert.throws(() => modelOfPreset(preset, facts), expected);
  }
});

test("a number that is none is named as it came, where JSON has no word for it", () => {
  for (const [word, got] of [
    ["lr=1e999", "Infinity"],
    ["lr=-1e999", "-Infinity"],
    ["numLayers=1e999", "Infinity"],
    ["minBucketRows=1,1e999", '[1,"Infinity"]'],
    ["numLayers=9007199254740993", "9007199254740992"],
  ] as const) {
    const [name, value] = parseOverride(word);
    assert.throws(
      () => overridePreset(tiny, { [name]: value }),
      (error: Error) =>
        error instanceof InvalidConfigError && error.message.endsWith(`, got ${got}`),
      word,
    );
  }
});
