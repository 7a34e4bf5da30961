/**
 * Llama and its kin, and Mistral, which adds a sliding window: a pre-norm transformer with rotary positions, grouped
 * heads and SwiGLU. TinyLlama and SmolLM are Llamas by their "model_type". config.json <-> `ModelConfig`, closed.
 */
import { type BlockConfig, blockOf, type FamilyName } from "../config.ts";
import { type ClosedKeys, decimal, flag, type Json, LEAST_EPS, whole } from "./closed.ts";
import { commonKeys, tokenKeys } from "./common-keys.ts";
import { type Family, nameKeys } from "./family.ts";
import { readRope, ropeKeys, ropeToJson } from "./rope-keys.ts";

/** Keys of sizes and constants, as this family and those made after it call them. */
export const llamaSizes: readonly string[] = [
  ...tokenKeys,
  ...ropeKeys,
  "vocab_size",
  "hidden_size",
  "num_hidden_layers",
  "num_attention_heads",
  "num_key_value_heads",
  "head_dim",
  "intermediate_size",
  "rms_norm_eps",
  "max_position_embeddings",
  "tie_word_embeddings",
];

/** The layers of Llama. */
const llamaBlock: BlockConfig = {
  norm: "rms",
  attentionBias: "none",
  hasQkNorm: false,
  mlp: "swiglu",
  hasMlpBias: false,
  positions: "rotary",
  isParallel: false,
};

/** A family whose layers are Llama's but for `block`, and whose keys have Llama's names. */
export function llamaLike({
  name,
  architecture,
  defaults,
  theta = 10_000,
  keys: { read = [], fixed = {}, neutral = {} } = {},
  block: blockOfJson,
  blockToJson = () => ({}),
}: {
  name: FamilyName;
  architecture: string;
  defaults: Json;
  theta?: number;
  keys?: Partial<ClosedKeys>;
  block: (json: Json) => Partial<BlockConfig>;
  blockToJson?: (block: BlockConfig) => Json;
}): Family {
  return {
    architecture,
    prefix: "model.",
    defaults,
    harmless: [
      [/^model\.(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$/, "computed from rope_theta"],
    ],
    keys: {
      read: [...llamaSizes, ...read],
      fixed: {
        ...commonKeys.fixed,
        model_type: [name],
        architectures: [[architecture]],
        hidden_act: ["silu", "swish"],
        partial_rotary_factor: [1],
        ...fixed,
      },
      neutral: { ...commonKeys.neutral, ...neutral },
    },
    parse(json) {
      const { ropeTheta, ropeScaling } = readRope(json, { theta });
      const { head_dim: given, hidden_size: width, num_attention_heads: heads } = json;
      const headDim = given ?? Number(width) / Number(heads);
      const numKvHeads = json["num_key_value_heads"] ?? heads;
      const all = { ...json, head_dim: headDim, num_key_value_heads: numKvHeads };
      return {
        family: name,
        block: {
          ...llamaBlock,
          ...(ropeScaling !== undefined && { ropeScaling }),
          ...blockOfJson(json),
        },
        vocabSize: whole(json, "vocab_size"),
        hiddenSize: whole(json, "hidden_size"),
        numLayers: whole(json, "num_hidden_layers"),
        numHeads: whole(json, "num_attention_heads"),
        numKvHeads: whole(all, "num_key_value_heads"),
        headDim: whole(all, "head_dim"),
        intermediateSize: whole(json, "intermediate_size"),
        rmsNormEps: decimal(json, "rms_norm_eps", { least: LEAST_EPS, most: 1 }),
        ropeTheta,
        maxPositions: whole(json, "max_position_embeddings"),
        tieEmbeddings: flag(json, "tie_word_embeddings"),
        engramKernelSize: 0,
      };
    },
    toJson(config) {
      const block = blockOf(config);
      return {
        ...nameKeys(name, { architecture }),
        vocab_size: config.vocabSize,
        hidden_size: config.hiddenSize,
        num_hidden_layers: config.numLayers,
        num_attention_heads: config.numHeads,
        num_key_value_heads: config.numKvHeads,
        head_dim: config.headDim,
        intermediate_size: config.intermediateSize,
        hidden_act: "silu",
        rms_norm_eps: config.rmsNormEps,
        ...ropeToJson({ ropeTheta: config.ropeTheta, ...block }),
        max_position_embeddings: config.maxPositions,
        tie_word_embeddings: config.tieEmbeddings,
        ...blockToJson(block),
      };
    },
  };
}

export const llama: Family = llamaLike({
  name: "llama",
  architecture: "LlamaForCausalLM",
  defaults: { rms_norm_eps: 1e-6, max_position_embeddings: 2048 },
  keys: {
    read: ["attention_bias", "mlp_bias"],
    fixed: {
      pretraining_tp: [1],
      // Written for other Llamas than Meta's: the files have the halves apart, as everywhere here.
      rope_interleaved: [false],
    },
    neutral: { is_llama_config: "who wrote the file" },
  },
  block: (json) => ({
    attentionBias: flag(json, "attention_bias") ? "all" : "none",
    hasMlpBias: flag(json, "mlp_bias"),
  }),
  blockToJson: ({ attentionBias, hasMlpBias }) => ({
    attention_bias: attentionBias === "all",
    mlp_bias: hasMlpBias,
  }),
});

export const mistral: Family = llamaLike({
  name: "mistral",
  architecture: "MistralForCausalLM",
  defaults: {
    num_key_value_heads: 8,
    rms_norm_eps: 1e-6,
    max_position_embeddings: 131_072,
    sliding_window: 4096,
  },
  keys: { read: ["sliding_window"] },
  block: (json) =>
    json["sliding_window"] === null ? {} : { slidingWindow: whole(json, "sliding_window") },
  blockToJson: ({ slidingWindow = null }) => ({ sliding_window: slidingWindow }),
});
