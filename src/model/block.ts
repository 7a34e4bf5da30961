/** The kinds that a layer of the transformer is made of, and with that which weights it has. */
import { attentionParams } from "./attention.ts";
import type { ModelConfig } from "./config.ts";
import { engramParams } from "./engram.ts";
import type { KindParams } from "./kind.ts";
import { mlpParams } from "./mlp.ts";
import { normParams } from "./norm.ts";

export const attentionNorm = "input_layernorm";
export const mlpNorm = "post_attention_layernorm";
/** Behind the last layer. */
export const finalNorm = "model.norm";

/** The weights of one layer, kind by kind in the order in which they are applied. */
export function blockParams(
  config: ModelConfig,
  { hasMemory }: { hasMemory: boolean },
): readonly KindParams<string>[] {
  return [
    ...(hasMemory ? [engramParams(config)] : []),
    normParams(config, attentionNorm),
    attentionParams(config),
    normParams(config, mlpNorm),
    mlpParams(config),
  ];
}
