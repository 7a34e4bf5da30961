/**
 * The sizes of a model and what its layers are made of, under names of ours; `families/` speak the key names of
 * config.json. Knows nothing of weights, tables or files.
 */
import { InvalidConfigError } from "../errors.ts";
import type { EngramConfig } from "../memory/index.ts";

/** "model_type" of config.json. */
export type FamilyName = "engram" | "llama" | "mistral" | "qwen2" | "qwen3" | "gpt2" | "gpt_neox";

/** What a model takes from counted memory (`CountedMemory`). */
export interface CountedConfig {
  /** Length of the longest n-grams in tokens. There are order - 1 distributions. */
  readonly order: number;
}

/** Frequencies of rotary positions that were stretched for a longer context than the model was first trained for. */
export type RopeScaling =
  | { readonly kind: "linear"; readonly factor: number }
  /** Long waves are divided by `factor`, short ones are left, with a ramp between (Llama 3.1). */
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequency: number;
      readonly highFrequency: number;
      /** Context of the first training, in tokens. */
      readonly trainedPositions: number;
    };

/** What the layers of a model are made of. */
export interface BlockConfig {
  /** "rms" divides by the root of the mean square; "layer" subtracts the mean first, and adds a bias. */
  readonly norm: "rms" | "layer";
  /** Which projections of attention add a bias. */
  readonly attentionBias: "none" | "inputs" | "all";
  /** Whether queries and keys are normed, head by head. */
  readonly hasQkNorm: boolean;
  readonly mlp: "swiglu" | "gelu" | "geluTanh";
  readonly hasMlpBias: boolean;
  /** Positions are rotations of queries and keys, or vectors added to the embedding. */
  readonly positions: "rotary" | "learned";
  /** Width of a head that is rotated, from its first value on. Default: all of it. */
  readonly rotaryWidth?: number;
  readonly ropeScaling?: RopeScaling;
  /** Positions that attention sees, its own included. Default: all before. */
  readonly slidingWindow?: number;
  /** Whether attention and MLP read the same stream, and are added together. */
  readonly isParallel: boolean;
}

/** The layers that are trained here. */
export const ownBlock: BlockConfig = {
  norm: "rms",
  attentionBias: "none",
  hasQkNorm: true,
  mlp: "swiglu",
  hasMlpBias: false,
  positions: "rotary",
  isParallel: false,
};

/** Sizes and constants of a transformer with or without memory. */
export interface ModelConfig {
  /** Whose config.json and names of tensors its files have. Default: those of the models trained here. */
  readonly family?: FamilyName;
  /** Default: `ownBlock`. */
  readonly block?: BlockConfig;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Key-value heads; a divisor of `numHeads`. */
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  /** Added before the root, in norms of either kind. */
  readonly rmsNormEps: number;
  /** Base of rotary positions; says nothing where positions are learned. */
  readonly ropeTheta: number;
  /** Longest sequence the model was trained for, in tokens. */
  readonly maxPositions: number;
  readonly tieEmbeddings: boolean;
  /**
   * The token at the start of every training document. The tokens after it see nothing before it: attention, look-back
   * and convolutions stop there, and positions count from it. Absent: no token separates documents.
   */
  readonly documentStart?: number;
  /** Absent: a plain transformer. */
  readonly engram?: EngramConfig;
  /** Counted memory whose distributions are mixed into the model's output. Absent: none. */
  readonly counted?: CountedConfig;
  /** What the gate of learned rows is where it is no function of the text (`GATE_BOUNDS`). Absent: computed (spec 7.6). */
  readonly engramGate?: number;
  /** Taps of the short convolution after the gate (spec 6.2). 0: no convolution, as in V4.1. */
  readonly engramKernelSize: number;
}

/** Of a constant gate. At 0, rows would have no gradient. */
export const GATE_BOUNDS = { least: 0.001, most: 1 } as const;

export function blockOf({ block = ownBlock }: ModelConfig): BlockConfig {
  return block;
}

/** Width of a head that is rotated. */
export function rotaryWidthOf(config: ModelConfig): number {
  return blockOf(config).rotaryWidth ?? config.headDim;
}

/** Bytes of the keys and values of one position, over all layers. */
export function keyValueBytes({ numLayers, numKvHeads, headDim }: ModelConfig): number {
  return 2 * 4 * numLayers * numKvHeads * headDim;
}

/** Throws `InvalidConfigError` for sizes that do not fit together. */
export function checkModelConfig(config: ModelConfig): void {
  const { numHeads, numKvHeads, headDim, numLayers } = config;
  const { engram, counted, documentStart, vocabSize } = config;
  if (numHeads % numKvHeads !== 0)
    throw new InvalidConfigError(
      `num_attention_heads (${numHeads}) must be a multiple of num_key_value_heads (${numKvHeads})`,
    );
  const width = rotaryWidthOf(config);
  if (blockOf(config).positions === "rotary" && (width % 2 !== 0 || width < 2 || width > headDim))
    throw new InvalidConfigError(
      `head_dim must be even for rotary positions, or the part of it that they turn: got ${width} of ${headDim}`,
    );
  if (documentStart !== undefined && documentStart >= vocabSize)
    throw new InvalidConfigError(
      `document_start_token_id ${documentStart} is outside the vocabulary 0..${vocabSize - 1}`,
    );
  if (counted !== undefined && counted.order < 2)
    throw new InvalidConfigError(`counted_order must be 2 or more, got ${counted.order}`);
  for (const layer of engram?.layerIds ?? [])
    if (layer < 0 || layer >= numLayers)
      throw new InvalidConfigError(
        `engram_layer_ids names layer ${layer}; the model has layers 0..${numLayers - 1}`,
      );
}
