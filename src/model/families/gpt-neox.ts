/**
 * GPT-NeoX, as Pythia is: LayerNorm, biases, GELU, rotary positions on a part of each head, attention and MLP side by
 * side, and queries, keys and values head by head in one matrix. config.json <-> `ModelConfig`, closed.
 */
import { type BlockConfig, blockOf, rotaryWidthOf } from "../config.ts";
import { decimal, flag, LEAST_EPS, oneOf, whole } from "./closed.ts";
import { commonKeys, tokenKeys } from "./common-keys.ts";
import { type Family, nameKeys } from "./family.ts";
import { readRope, ropeKeys, ropeToJson, rotaryShare } from "./rope-keys.ts";

const architecture = "GPTNeoXForCausalLM";

/** What config.json calls them. */
const activations: Readonly<Record<string, BlockConfig["mlp"]>> = {
  gelu: "gelu",
  gelu_new: "geluTanh",
  gelu_pytorch_tanh: "geluTanh",
};

export const gptNeox: Family = {
  architecture,
  prefix: "gpt_neox.",
  defaults: {
    hidden_act: "gelu",
    rotary_pct: 0.25,
    rotary_emb_base: 10_000,
    max_position_embeddings: 2048,
    layer_norm_eps: 1e-5,
    use_parallel_residual: true,
    attention_bias: true,
  },
  harmless: [
    [/^gpt_neox\.layers\.\d+\.attention\.(masked_)?bias$/, "the causal mask"],
    [/^gpt_neox\.(layers\.\d+\.attention\.)?rotary_emb\.inv_freq$/, "computed from the base"],
  ],
  keys: {
    read: [
      ...tokenKeys,
      ...ropeKeys,
      "rotary_pct",
      "rotary_emb_base",
      "vocab_size",
      "hidden_size",
      "num_hidden_layers",
      "num_attention_heads",
      "intermediate_size",
      "hidden_act",
      "layer_norm_eps",
      "max_position_embeddings",
      "tie_word_embeddings",
      "use_parallel_residual",
      "attention_bias",
    ],
    fixed: { ...commonKeys.fixed, model_type: ["gpt_neox"], architectures: [[architecture]] },
    neutral: {
      ...commonKeys.neutral,
      hidden_dropout: "of training only",
      classifier_dropout: "of classifiers",
    },
  },
  parse(json) {
    const width = whole(json, "hidden_size");
    const heads = whole(json, "num_attention_heads");
    const headDim = whole({ "hidden_size / heads": width / heads }, "hidden_size / heads");
    const theta = decimal(json, "rotary_emb_base", { least: 1 });
    const {
      ropeTheta,
      ropeScaling,
      share = rotaryShare(json, "rotary_pct"),
    } = readRope(json, {
      theta,
      isPartial: true,
    });
    return {
      family: "gpt_neox",
      block: {
        norm: "layer",
        attentionBias: flag(json, "attention_bias") ? "all" : "none",
        hasQkNorm: false,
        mlp: oneOf(json, "hidden_act", activations),
        hasMlpBias: true,
        positions: "rotary",
        rotaryWidth: Math.floor(headDim * share),
        ...(ropeScaling !== undefined && { ropeScaling }),
        isParallel: flag(json, "use_parallel_residual"),
      },
      vocabSize: whole(json, "vocab_size"),
      hiddenSize: width,
      numLayers: whole(json, "num_hidden_layers"),
      numHeads: heads,
      numKvHeads: heads,
      headDim,
      intermediateSize: whole(json, "intermediate_size"),
      rmsNormEps: decimal(json, "layer_norm_eps", { least: LEAST_EPS, most: 1 }),
      ropeTheta,
      maxPositions: whole(json, "max_position_embeddings"),
      tieEmbeddings: flag(json, "tie_word_embeddings"),
      engramKernelSize: 0,
    };
  },
  toJson(config) {
    const block = blockOf(config);
    const { rope_theta: base, ...scaling } = ropeToJson({ ropeTheta: config.ropeTheta, ...block });
    return {
      ...nameKeys("gpt_neox", { architecture }),
      vocab_size: config.vocabSize,
      hidden_size: config.hiddenSize,
      num_hidden_layers: config.numLayers,
      num_attention_heads: config.numHeads,
      intermediate_size: config.intermediateSize,
      hidden_act: block.mlp === "gelu" ? "gelu" : "gelu_new",
      rotary_pct: rotaryWidthOf(config) / config.headDim,
      rotary_emb_base: base,
      ...scaling,
      layer_norm_eps: config.rmsNormEps,
      max_position_embeddings: config.maxPositions,
      tie_word_embeddings: config.tieEmbeddings,
      use_parallel_residual: block.isParallel,
      attention_bias: block.attentionBias === "all",
    };
  },
  files: {
    layers: "gpt_neox.layers.",
    run: ({ headDim }) => headDim,
    names: {
      "model.embed_tokens.weight": "gpt_neox.embed_in.weight",
      "model.norm.weight": "gpt_neox.final_layer_norm.weight",
      "model.norm.bias": "gpt_neox.final_layer_norm.bias",
      "lm_head.weight": "embed_out.weight",
      "input_layernorm.weight": "input_layernorm.weight",
      "input_layernorm.bias": "input_layernorm.bias",
      "self_attn.q_proj.weight": "attention.query_key_value.weight",
      "self_attn.k_proj.weight": "attention.query_key_value.weight",
      "self_attn.v_proj.weight": "attention.query_key_value.weight",
      "self_attn.q_proj.bias": "attention.query_key_value.bias",
      "self_attn.k_proj.bias": "attention.query_key_value.bias",
      "self_attn.v_proj.bias": "attention.query_key_value.bias",
      "self_attn.o_proj.weight": "attention.dense.weight",
      "self_attn.o_proj.bias": "attention.dense.bias",
      "post_attention_layernorm.weight": "post_attention_layernorm.weight",
      "post_attention_layernorm.bias": "post_attention_layernorm.bias",
      "mlp.up_proj.weight": "mlp.dense_h_to_4h.weight",
      "mlp.up_proj.bias": "mlp.dense_h_to_4h.bias",
      "mlp.down_proj.weight": "mlp.dense_4h_to_h.weight",
      "mlp.down_proj.bias": "mlp.dense_4h_to_h.bias",
    },
  },
};
