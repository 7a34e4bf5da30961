/** `small` with a backbone of 30 million weights: a size that people serve, for benches of decoding. */
import { findPreset, type Preset } from "../../src/training/index.ts";

const small = findPreset("small");

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

/** That one as "30m", or a preset by its name. */
export function findBenchPreset(name: string): Preset {
  return name === "30m" ? thirtyMillion : findPreset(name);
}
