/**
 * Qwen 2 and 2.5 (biases on queries, keys and values) and Qwen 3 (norms on queries and keys instead): Llama's layers
 * and keys but for that. config.json <-> `ModelConfig`, closed.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { BlockConfig } from "../config.ts";
import { flag, type Json } from "./closed.ts";
import type { Family } from "./family.ts";
import { llamaLike } from "./llama.ts";

const keys = {
  read: ["layer_types"],
  fixed: { use_sliding_window: [false], use_mrope: [false] },
  neutral: {
    sliding_window: "use_sliding_window is false",
    max_window_layers: "use_sliding_window is false",
  },
};

/** Every layer sees everything. */
function checkLayerTypes(json: Json): void {
  const types = json["layer_types"] ?? [];
  if (Array.isArray(types) && types.every((type) => type === "full_attention")) return;
  throw new InvalidConfigError(
    `config.json: "layer_types": ${JSON.stringify(types).slice(0, 200)} (computed here as "full_attention" in every layer)`,
  );
}

export const qwen2: Family = llamaLike({
  name: "qwen2",
  architecture: "Qwen2ForCausalLM",
  defaults: { num_key_value_heads: 32, rms_norm_eps: 1e-6, max_position_embeddings: 32_768 },
  keys,
  block(json): Partial<BlockConfig> {
    checkLayerTypes(json);
    return { attentionBias: "inputs" };
  },
});

export const qwen3: Family = llamaLike({
  name: "qwen3",
  architecture: "Qwen3ForCausalLM",
  defaults: {
    num_key_value_heads: 32,
    head_dim: 128,
    rms_norm_eps: 1e-6,
    max_position_embeddings: 32_768,
  },
  keys: { ...keys, read: [...keys.read, "attention_bias"] },
  block(json): Partial<BlockConfig> {
    checkLayerTypes(json);
    return { hasQkNorm: true, attentionBias: flag(json, "attention_bias") ? "all" : "none" };
  },
  blockToJson: ({ attentionBias }) => ({ attention_bias: attentionBias === "all" }),
});
