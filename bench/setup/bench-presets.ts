/**
 * The presets as benches of speed take them. `small` here has the memory of its first recipe, two million learned rows in
 * one layer and no counts, so that figures can be compared with those of before; "30m" and "138m" are that with backbones of 30
 * and 138 million weights, sizes that people serve.
 */
import { findPreset, type Preset } from "../../src/training/index.ts";

const preset = findPreset("small");

const small: Preset = {
  ...preset,
  memory: {
    ...preset.memory,
    layerIds: [1],
    numHeads: 8,
    minBucketRows: [1_000_000, 1_000_000],
  },
  counted: { ...preset.counted, order: 0 },
  training: { ...preset.training, tableLrFactor: 20, memoryFadeIn: 0.5 },
};

export const thirtyMillion: Preset = {
  ...small,
  vocabSize: 8192,
  model: {
    ...small.model,
    hiddenSize: 512,
    numLayers: 8,
    numHeads: 8,
    numKvHeads: 8,
    headDim: 64,
    intermediateSize: 1408,
    maxPositions: 1024,
  },
};

const largest: Preset = {
  ...thirtyMillion,
  vocabSize: 32768,
  model: {
    ...thirtyMillion.model,
    hiddenSize: 768,
    numLayers: 16,
    numHeads: 12,
    numKvHeads: 12,
    intermediateSize: 2048,
  },
};

/** By its name; throws `InvalidConfigError` that lists the presets' for any other. */
export function findBenchPreset(name: string): Preset {
  if (name === "small") return small;
  if (name === "30m") return thirtyMillion;
  return name === "138m" ? largest : findPreset(name);
}
