/**
 * One layer of the transformer, pre-norm: x += engram(x, memory); x += attention(norm(x)); x += mlp(norm(x)).
 * Defines which kinds a layer is made of, and so which weights it has.
 */
import { attentionParams } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import { engramParams } from "./engram.ts";
import { gain, type KindParams } from "./kind.ts";
import { mlpParams } from "./mlp.ts";

export function attentionNormParams({ hiddenSize }: ModelConfig): KindParams<"gain"> {
  return { gain: gain("input_layernorm.weight", [hiddenSize]) };
}

export function mlpNormParams({ hiddenSize }: ModelConfig): KindParams<"gain"> {
  return { gain: gain("post_attention_layernorm.weight", [hiddenSize]) };
}

/** The weights of one layer, kind by kind in the order in which they are applied. */
export function blockParams(
  config: ModelConfig,
  { hasMemory }: { hasMemory: boolean },
): readonly KindParams<string>[] {
  return [
    ...(hasMemory ? [engramParams(config)] : []),
    attentionNormParams(config),
    attentionParams(config),
    mlpNormParams(config),
    mlpParams(config),
  ];
}
