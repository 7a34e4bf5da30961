/**
 * The sizes of a model, under names of ours; `configToJson` and `parseModelConfig` speak the key
 * names of config.json. Knows nothing of weights, tables or files.
 */
import { InvalidConfigError } from "../errors.ts";
import type { EngramConfig } from "../memory/index.ts";

/** Sizes and constants of a transformer with or without memory. */
export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** Heads of keys and values; a divisor of `numHeads`. */
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly intermediateSize: number;
  readonly rmsNormEps: number;
  readonly ropeTheta: number;
  /** Longest sequence the model was trained for, in tokens. */
  readonly maxPositions: number;
  readonly tieEmbeddings: boolean;
  /**
   * Token with which every document of the training text starts. What follows it sees nothing before it: attention,
   * look-back and convolutions are cut there, and positions count from it. Absent: no token cuts.
   */
  readonly documentStart?: number;
  /** Absent: a plain transformer. */
  readonly engram?: EngramConfig;
  /** Taps of the short convolution after the gate (spec 6.2); 0 leaves it out, as V4.1 does. */
  readonly engramKernelSize: number;
}

type Json = Readonly<Record<string, unknown>>;

function positive(json: Json, key: string): number {
  const value = json[key];
  if (typeof value !== "number" || !(value > 0))
    throw new InvalidConfigError(
      `config.json: expected a positive number under "${key}", got ${JSON.stringify(value)}`,
    );
  return value;
}

function whole(json: Json, key: string): number {
  const value = positive(json, key);
  if (!Number.isSafeInteger(value))
    throw new InvalidConfigError(`config.json: "${key}" must be a whole number, got ${value}`);
  return value;
}

/**
 * The token that starts a document, for models that say so ("document_start_token_id"; null for none). Models trained by
 * earlier versions of engram do not say it, and mean their end-of-text token: training packed documents so from the first
 * version on. They are told by their "model_type".
 */
export function parseDocumentStart(json: Json): number | undefined {
  const name = "document_start_token_id";
  const isOldOfOurs = json[name] === undefined && json["model_type"] === "engram";
  const value = isOldOfOurs ? json["eos_token_id"] : json[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidConfigError(
      `config.json: "${isOldOfOurs ? "eos_token_id" : name}" must be a token id or null, got ${JSON.stringify(value)}`,
    );
  return value;
}

/** Bytes that the keys and values of one position take, over all layers. */
export function keyValueBytes({ numLayers, numKvHeads, headDim }: ModelConfig): number {
  return 2 * 4 * numLayers * numKvHeads * headDim;
}

/** Reads the transformer's part of a config.json; the memory's part comes parsed in `engram`. */
export function parseModelConfig(json: Json, engram: EngramConfig | undefined): ModelConfig {
  const kernel = json["engram_kernel_size"] ?? 0;
  if (typeof kernel !== "number" || !Number.isSafeInteger(kernel) || kernel < 0)
    throw new InvalidConfigError(
      `config.json: "engram_kernel_size" must be 0 or a number of taps, got ${JSON.stringify(kernel)}`,
    );
  const documentStart = parseDocumentStart(json);
  const config: ModelConfig = {
    vocabSize: whole(json, "vocab_size"),
    hiddenSize: whole(json, "hidden_size"),
    numLayers: whole(json, "num_hidden_layers"),
    numHeads: whole(json, "num_attention_heads"),
    numKvHeads: whole(json, "num_key_value_heads"),
    headDim: whole(json, "head_dim"),
    intermediateSize: whole(json, "intermediate_size"),
    rmsNormEps: positive(json, "rms_norm_eps"),
    ropeTheta: positive(json, "rope_theta"),
    maxPositions: whole(json, "max_position_embeddings"),
    tieEmbeddings: json["tie_word_embeddings"] === true,
    ...(documentStart === undefined ? {} : { documentStart }),
    ...(engram === undefined ? {} : { engram }),
    engramKernelSize: kernel,
  };
  checkModelConfig(config);
  return config;
}

export function modelConfigToJson(config: ModelConfig): Record<string, unknown> {
  return {
    vocab_size: config.vocabSize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.numLayers,
    num_attention_heads: config.numHeads,
    num_key_value_heads: config.numKvHeads,
    head_dim: config.headDim,
    intermediate_size: config.intermediateSize,
    hidden_act: "silu",
    rms_norm_eps: config.rmsNormEps,
    rope_theta: config.ropeTheta,
    max_position_embeddings: config.maxPositions,
    tie_word_embeddings: config.tieEmbeddings,
    document_start_token_id: config.documentStart ?? null,
    ...(config.engramKernelSize > 0 ? { engram_kernel_size: config.engramKernelSize } : {}),
  };
}

export function checkModelConfig(config: ModelConfig): void {
  const { numHeads, numKvHeads, headDim, numLayers, engram, documentStart, vocabSize } = config;
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
  for (const layer of engram?.layerIds ?? [])
    if (layer < 0 || layer >= numLayers)
      throw new InvalidConfigError(
        `engram_layer_ids names layer ${layer}; the model has layers 0..${numLayers - 1}`,
      );
}
