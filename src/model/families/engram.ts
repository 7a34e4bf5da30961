/**
 * The family of models that are trained here: a pre-norm transformer with rotary positions, grouped heads whose queries
 * and keys are normed, SwiGLU, no biases. config.json <-> `ModelConfig`, closed (`closed.ts`). Knows no weights and no
 * files.
 */
import { decimal, flag, LEAST_EPS, whole } from "./closed.ts";
import { type Family, nameKeys } from "./family.ts";

const architecture = "EngramForCausalLM";

export const engram: Family = {
  architecture,
  defaults: {},
  harmless: [
    // Written by old versions of Transformers.
    [/^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/, "computed from rope_theta"],
  ],
  keys: {
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
      // Compared with the tokenizer's by whoever has both.
      "bos_token_id",
      "eos_token_id",
    ],
    fixed: {
      model_type: ["engram"],
      architectures: [[architecture]],
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
  },
  parse: (json) => ({
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
    engramKernelSize: 0,
  }),
  toJson: (config) => ({
    ...nameKeys("engram", { architecture }),
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
  }),
};
