/**
 * Named recipes: the sizes of a model and how it is trained. A preset is a value, not a mode: nothing
 * else branches on its name.
 */
import { InvalidConfigError } from "../errors.ts";
import type { ModelConfig, TrainedPart } from "../model/index.ts";

/** How a model is trained. */
export interface TrainingRecipe {
  /** Rows a forward pass, and tokens a row. */
  readonly batch: number;
  readonly length: number;
  /** Forward passes whose gradients are summed before one update. */
  readonly accumulate: number;
  readonly steps: number;
  readonly warmupSteps: number;
  readonly lr: number;
  readonly weightDecay: number;
  /** Rule for hidden matrices; embeddings and gains always use AdamW. */
  readonly matrices: "muon" | "adamw";
  /**
   * The tables' learning rate as a multiple of `lr`. It is 5 in arXiv 2601.07372, appendix A, for Adam. Here steps
   * shrink with a row's visits, so they start longer (docs/log.md).
   */
  readonly tableLrFactor: number;
  /**
   * Share of the run over which the memory fades in. At first every sequence is trained with the memory off, at the
   * end of the fade none (`memoryOffShare`). 0: the memory is on from the first step.
   */
  readonly memoryFadeIn: number;
  /**
   * Contiguous parts of the text in which learned rows are cross-fitted (`CrossFittedRows`): a place is read from a table
   * that learns from the other parts, in RAM beside the one that is kept. 0: every place is read from the one table.
   */
  readonly rowFolds: number;
  /** Longest allowed gradient. */
  readonly clip: number;
}

/** Sizes of the memory that do not depend on the tokenizer. */
export interface MemorySizes {
  readonly layerIds: readonly number[];
  readonly maxNgramSize: number;
  readonly numHeads: number;
  readonly headDim: number;
  readonly minBucketRows: readonly number[];
}

/** Counted memory, and how a model learns to weigh it. */
export interface CountedSizes {
  /** Ids of the longest n-grams that are counted; 0 counts none. */
  readonly order: number;
  /** Contiguous parts of the training text; a place is read from what the others wrote. */
  readonly folds: number;
  /** Of the table: what is listed is what gains most a byte. 0: all is. */
  readonly maxBytes: number;
}

/** A model's sizes with the recipe they were tried with. */
export interface Preset {
  readonly description: string;
  readonly vocabSize: number;
  readonly model: Omit<
    ModelConfig,
    "family" | "block" | "vocabSize" | "documentStart" | "engram" | "counted"
  >;
  /** Learned rows; without layers there are none. */
  readonly memory: MemorySizes;
  readonly counted: CountedSizes;
  readonly training: TrainingRecipe;
}

const common = {
  rmsNormEps: 1e-6,
  ropeTheta: 10_000,
  tieEmbeddings: true,
  engramKernelSize: 0,
} as const;

const presets: Readonly<Record<string, Preset>> = {
  mini: {
    description: "learns one small text in a minute or two, in a page on one thread",
    vocabSize: 512,
    model: {
      ...common,
      hiddenSize: 96,
      numLayers: 2,
      numHeads: 3,
      numKvHeads: 3,
      headDim: 32,
      intermediateSize: 256,
      engramGate: 0.5,
      maxPositions: 96,
    },
    memory: {
      layerIds: [1],
      maxNgramSize: 3,
      numHeads: 4,
      headDim: 16,
      minBucketRows: [4000, 8000],
    },
    counted: { order: 0, folds: 5, maxBytes: 0 },
    training: {
      batch: 8,
      length: 96,
      accumulate: 1,
      steps: 200,
      warmupSteps: 20,
      lr: 4e-3,
      weightDecay: 0.1,
      matrices: "muon",
      tableLrFactor: 10,
      memoryFadeIn: 0.5,
      rowFolds: 0,
      clip: 1,
    },
  },
  tiny: {
    description: "learns one small text in a few minutes on two cores",
    vocabSize: 1024,
    model: {
      ...common,
      hiddenSize: 192,
      numLayers: 4,
      numHeads: 6,
      numKvHeads: 6,
      headDim: 32,
      intermediateSize: 512,
      engramGate: 0.5,
      maxPositions: 128,
    },
    memory: {
      layerIds: [1, 3],
      maxNgramSize: 3,
      numHeads: 4,
      headDim: 16,
      minBucketRows: [10_000, 30_000],
    },
    counted: { order: 6, folds: 10, maxBytes: 5_000_000 },
    training: {
      batch: 16,
      length: 128,
      accumulate: 1,
      steps: 400,
      warmupSteps: 30,
      lr: 3e-3,
      weightDecay: 0.1,
      matrices: "muon",
      tableLrFactor: 40,
      memoryFadeIn: 0,
      rowFolds: 10,
      clip: 1,
    },
  },
  small: {
    description: "reads 25 MB of text in about two hours on two cores",
    vocabSize: 8192,
    model: {
      ...common,
      hiddenSize: 256,
      numLayers: 6,
      numHeads: 4,
      numKvHeads: 4,
      headDim: 64,
      intermediateSize: 704,
      maxPositions: 256,
    },
    memory: {
      layerIds: [1, 3],
      maxNgramSize: 3,
      numHeads: 4,
      headDim: 16,
      minBucketRows: [12_500, 25_000],
    },
    counted: { order: 5, folds: 5, maxBytes: 64_000_000 },
    training: {
      batch: 8,
      length: 256,
      accumulate: 2,
      steps: 1600,
      warmupSteps: 60,
      lr: 5e-3,
      weightDecay: 0.1,
      matrices: "muon",
      tableLrFactor: 40,
      memoryFadeIn: 0,
      rowFolds: 0,
      clip: 1,
    },
  },
};

/**
 * How to go on from a model that is there: as `tiny` is trained where the backbone is frozen, gently where all of it
 * moves. The second was not tuned, of the first one setting was measured (docs/log.md); `overridePreset` has every name.
 */
export function recipeToGoOn(
  part: TrainedPart,
  { maxPositions }: { maxPositions: number },
): TrainingRecipe {
  const { training } = findPreset("tiny");
  const recipe = { ...training, length: Math.min(training.length, maxPositions) };
  return part === "all" ? { ...recipe, lr: 3e-4, matrices: "adamw" } : recipe;
}

/** The names `findPreset` knows. */
export const presetNames: readonly string[] = Object.keys(presets);

/** Throws `InvalidConfigError` that lists the names for any other. */
export function findPreset(name: string): Preset {
  const preset = Object.hasOwn(presets, name) ? presets[name] : undefined;
  if (preset === undefined)
    throw new InvalidConfigError(`unknown preset "${name}"; there are: ${presetNames.join(", ")}`);
  return preset;
}
