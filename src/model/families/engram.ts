/**
 * The family of models that are trained here: a pre-norm transformer with rotary positions, grouped-query attention
 * with QK-norm, SwiGLU, no biases, and the `engram_*` keys of the memory. Translates between config.json and
 * `ModelConfig`; the keys are a closed world (`closed.ts`). Knows no weights and no files.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { EngramConfig } from "../../memory/index.ts";
import { checkModelConfig, type ModelConfig } from "../config.ts";
import { checkKeys, type ClosedKeys, decimal, flag, type Json, whole } from "./closed.ts";

const MODEL_TYPE = "engram";
const ARCHITECTURE = "EngramForCausalLM";

const keys: ClosedKeys = {
  read: [
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "rms_norm_eps",
    "rope_theta",
    "max_position_embeddings",
    "tie_word_embeddings",
    "document_start_token_id",
    // Compared with the tokenizer's, where both are known.
    "bos_token_id",
    "eos_token_id",
    // Read by `parseQuantization`.
    "quantization_config",
    "counted_order",
    // Part of the transformer, but meaningless without a memory.
    "engram_kernel_size",
  ],
  fixed: {
    model_type: [MODEL_TYPE],
    architectures: [[ARCHITECTURE]],
    hidden_act: ["silu", "swish"],
    attention_bias: [false],
    mlp_bias: [false],
    rope_scaling: [null, { rope_type: "default" }, { type: "default" }],
    partial_rotary_factor: [1],
    sliding_window: [null],
    use_sliding_window: [false],
    attn_logit_softcapping: [null],
    final_logit_softcapping: [null],
    pretraining_tp: [1],
  },
  neutral: {
    dtype: "the files say how each tensor rests",
    torch_dtype: "the older name of dtype",
    transformers_version: "who wrote the file",
    _name_or_path: "where it was once",
    pad_token_id: "sequences are cut, not padded",
    use_cache: "a matter of speed",
    initializer_range: "of training only",
    attention_dropout: "of training only",
  },
};

/** The smallest normal float32. */
const LEAST_EPS = 2 ** -126;

/**
 * Reads a config.json. The memory's keys are parsed and checked by `parseEngramConfig`, and its result is passed in as
 * `engram`. Throws `InvalidConfigError` for keys and values that would change what the model computes and are not
 * supported here. Does not check whether the sizes match the weights.
 */
export function parseModelConfig(json: Json, engram: EngramConfig | undefined): ModelConfig {
  if (json["model_type"] === undefined)
    throw new InvalidConfigError(
      `config.json: expected "model_type": "${MODEL_TYPE}", got none; models of other kinds cannot be computed here`,
    );
  const memoryKeys = Object.keys(json).filter((key) => engram && key.startsWith("engram_"));
  checkKeys(json, { ...keys, read: [...keys.read, ...memoryKeys] }, "config.json");
  const documentStart = parseDocumentStart(json);
  const order = json["counted_order"] ?? undefined;
  const config: ModelConfig = {
    vocabSize: whole(json, "vocab_size"),
    hiddenSize: whole(json, "hidden_size"),
    numLayers: whole(json, "num_hidden_layers"),
    numHeads: whole(json, "num_attention_heads"),
    numKvHeads: whole(json, "num_key_value_heads"),
    headDim: whole(json, "head_dim"),
    intermediateSize: whole(json, "intermediate_size"),
    rmsNormEps: decimal(json, "rms_norm_eps", { least: LEAST_EPS, most: 1 }),
    ropeTheta: decimal(json, "rope_theta", { least: 1 }),
    maxPositions: whole(json, "max_position_embeddings"),
    tieEmbeddings: flag(json, "tie_word_embeddings"),
    ...(documentStart === undefined ? {} : { documentStart }),
    ...(engram === undefined ? {} : { engram }),
    ...(order === undefined ? {} : { counted: { order: whole(json, "counted_order") } }),
    engramKernelSize:
      (json["engram_kernel_size"] ?? 0) === 0 ? 0 : whole(json, "engram_kernel_size"),
  };
  checkModelConfig(config);
  return config;
}

/** All keys except the memory's and the special tokens. */
export function modelConfigToJson(config: ModelConfig): Record<string, unknown> {
  return {
    architectures: [ARCHITECTURE],
    model_type: MODEL_TYPE,
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
    ...(config.counted === undefined ? {} : { counted_order: config.counted.order }),
    ...(config.engramKernelSize > 0 ? { engram_kernel_size: config.engramKernelSize } : {}),
  };
}

/**
 * The token that starts a document, for models that state it ("document_start_token_id"; null for none). Models trained
 * by earlier versions of engram do not state it. For them it is the end-of-text token, because every version packed
 * documents that way. Such models are recognised by their "model_type".
 */
export function parseDocumentStart(json: Json): number | undefined {
  const name = "document_start_token_id";
  const isOldOfOurs = json[name] === undefined && json["model_type"] === MODEL_TYPE;
  const value = isOldOfOurs ? json["eos_token_id"] : json[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new InvalidConfigError(
      `config.json: "${isOldOfOurs ? "eos_token_id" : name}" must be a token id or null, got ${JSON.stringify(value)}`,
    );
  return value;
}
