/**
 * GPT-2: LayerNorm, learned positions, biases everywhere, GELU, and matrices that rest as [in, out], those of
 * queries, keys and values as one. config.json <-> `ModelConfig`, closed.
 */
import { type BlockConfig, blockOf } from "../config.ts";
import { decimal, flag, LEAST_EPS, oneOf, whole } from "./closed.ts";
import { commonKeys, tokenKeys } from "./common-keys.ts";
import { type Family, nameKeys } from "./family.ts";

const architecture = "GPT2LMHeadModel";

/** What config.json calls them. */
const activations: Readonly<Record<string, BlockConfig["mlp"]>> = {
  gelu_new: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
  gelu: "gelu",
};

export const gpt2: Family = {
  architecture,
  prefix: "transformer.",
  defaults: {
    n_inner: null,
    n_positions: 1024,
    activation_function: "gelu_new",
    layer_norm_epsilon: 1e-5,
    tie_word_embeddings: true,
  },
  harmless: [[/^transformer\.h\.\d+\.attn\.(masked_)?bias$/, "the causal mask"]],
  keys: {
    read: [
      ...tokenKeys,
      "vocab_size",
      "n_embd",
      "n_layer",
      "n_head",
      "n_inner",
      "n_positions",
      "activation_function",
      "layer_norm_epsilon",
      "tie_word_embeddings",
    ],
    fixed: {
      ...commonKeys.fixed,
      model_type: ["gpt2"],
      architectures: [[architecture]],
      scale_attn_weights: [true],
      scale_attn_by_inverse_layer_idx: [false],
      // More exact arithmetic of the same sums, for half-precision.
      reorder_and_upcast_attn: [false],
    },
    neutral: {
      ...commonKeys.neutral,
      n_ctx: "the older name of n_positions",
      embd_pdrop: "of training only",
      attn_pdrop: "of training only",
      resid_pdrop: "of training only",
      summary_activation: "of classifiers",
      summary_first_dropout: "of classifiers",
      summary_proj_to_labels: "of classifiers",
      summary_type: "of classifiers",
      summary_use_proj: "of classifiers",
    },
  },
  parse(json) {
    const width = whole(json, "n_embd");
    const heads = whole(json, "n_head");
    return {
      family: "gpt2",
      block: {
        norm: "layer",
        attentionBias: "all",
        hasQkNorm: false,
        mlp: oneOf(json, "activation_function", activations),
        hasMlpBias: true,
        positions: "learned",
        isParallel: false,
      },
      vocabSize: whole(json, "vocab_size"),
      hiddenSize: width,
      numLayers: whole(json, "n_layer"),
      numHeads: heads,
      numKvHeads: heads,
      headDim: whole({ "n_embd / n_head": width / heads }, "n_embd / n_head"),
      intermediateSize: json["n_inner"] === null ? 4 * width : whole(json, "n_inner"),
      rmsNormEps: decimal(json, "layer_norm_epsilon", { least: LEAST_EPS, most: 1 }),
      ropeTheta: 10_000,
      maxPositions: whole(json, "n_positions"),
      tieEmbeddings: flag(json, "tie_word_embeddings"),
      engramKernelSize: 0,
    };
  },
  toJson(config) {
    return {
      ...nameKeys("gpt2", { architecture }),
      vocab_size: config.vocabSize,
      n_embd: config.hiddenSize,
      n_layer: config.numLayers,
      n_head: config.numHeads,
      n_inner: config.intermediateSize,
      n_positions: config.maxPositions,
      activation_function: blockOf(config).mlp === "gelu" ? "gelu" : "gelu_new",
      layer_norm_epsilon: config.rmsNormEps,
      tie_word_embeddings: config.tieEmbeddings,
    };
  },
  files: {
    layers: "transformer.h.",
    isTransposed: true,
    names: {
      "model.embed_tokens.weight": "transformer.wte.weight",
      "model.embed_positions.weight": "transformer.wpe.weight",
      "model.norm.weight": "transformer.ln_f.weight",
      "model.norm.bias": "transformer.ln_f.bias",
      "input_layernorm.weight": "ln_1.weight",
      "input_layernorm.bias": "ln_1.bias",
      "self_attn.q_proj.weight": "attn.c_attn.weight",
      "self_attn.k_proj.weight": "attn.c_attn.weight",
      "self_attn.v_proj.weight": "attn.c_attn.weight",
      "self_attn.q_proj.bias": "attn.c_attn.bias",
      "self_attn.k_proj.bias": "attn.c_attn.bias",
      "self_attn.v_proj.bias": "attn.c_attn.bias",
      "self_attn.o_proj.weight": "attn.c_proj.weight",
      "self_attn.o_proj.bias": "attn.c_proj.bias",
      "post_attention_layernorm.weight": "ln_2.weight",
      "post_attention_layernorm.bias": "ln_2.bias",
      "mlp.up_proj.weight": "mlp.c_fc.weight",
      "mlp.up_proj.bias": "mlp.c_fc.bias",
      "mlp.down_proj.weight": "mlp.c_proj.weight",
      "mlp.down_proj.bias": "mlp.c_proj.bias",
    },
  },
};
