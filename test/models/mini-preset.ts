/** A preset that trains in seconds: for tests that need a real run. */
import type { Preset } from "../../src/index-training.ts";

export const miniPreset: Preset = {
  description: "for tests",
  vocabSize: 300,
  model: {
    hiddenSize: 32,
    numLayers: 2,
    numHeads: 2,
    numKvHeads: 1,
    headDim: 16,
    intermediateSize: 64,
    rmsNormEps: 1e-6,
    ropeTheta: 10_000,
    maxPositions: 32,
    tieEmbeddings: true,
    engramKernelSize: 0,
  },
  memory: {
    layerIds: [1],
    maxNgramSize: 3,
    numHeads: 2,
    headDim: 8,
    minBucketRows: [500, 900],
  },
  counted: { order: 0, folds: 5, maxBytes: 0 },
  training: {
    batch: 4,
    length: 32,
    accumulate: 2,
    steps: 40,
    warmupSteps: 5,
    lr: 3e-3,
    weightDecay: 0.1,
    matrices: "muon",
    tableLrFactor: 5,
    memoryFadeIn: 0.5,
    rowFolds: 0,
    clip: 1,
  },
};
