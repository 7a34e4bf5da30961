/**
 * The sizes of a model, under our own names; `families/` translate from the keys of config.json. Knows nothing of
 * weights, tables or files.
 */
import { InvalidConfigError } from "../errors.ts";
import type { EngramConfig } from "../memory/index.ts";

/** What a model takes from counted memory (`CountedMemory`). */
export interface CountedConfig {
  /** Length of the longest n-grams in tokens. There are order - 1 distributions. */
  readonly order: number;
}

/** Sizes and constants of a transformer with or without memory. */
export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Key-value heads; a divisor of `numHeads`. */
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
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
  /** Taps of the short convolution after the gate (spec 6.2). 0: no convolution, as in V4.1. */
  readonly engramKernelSize: number;
}

/** Bytes of the keys and values of one position, over all layers. */
export function keyValueBytes({ numLayers, numKvHeads, headDim }: ModelConfig): number {
  return 2 * 4 * numLayers * numKvHeads * headDim;
}

/** Throws `InvalidConfigError` for sizes that do not fit together. */
export function checkModelConfig(config: ModelConfig): void {
  const { numHeads, numKvHeads, headDim, numLayers, engram, counted, documentStart, vocabSize } =
    config;
  if (numHeads % numKvHeads !== 0)
    throw new InvalidConfigError(
      `num_attention_heads (${numHeads}) must be a multiple of num_key_value_heads (${numKvHeads})`,
    );
  if (headDim % 2 !== 0)
    throw new InvalidConfigError(`head_dim must be even for rotary positions, got ${headDim}`);
  if (documentStart !== undefined && documentStart >= vocabSize)
    throw new InvalidConfigError(
      `document_start_token_id ${documentStart} is outside the vocabulary 0..${vocabSize - 1}`,
    );
  if (counted !== undefined && counted.order < 2)
    throw new InvalidConfigError(
      `counted_order is 2 or more, the ids of the longest n-grams, got ${counted.order}`,
    );
  for (const layer of engram?.layerIds ?? [])
    if (layer < 0 || layer >= numLayers)
      throw new InvalidConfigError(
        `engram_layer_ids names layer ${layer}; the model has layers 0..${numLayers - 1}`,
      );
}
