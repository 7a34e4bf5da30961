/** The feed-forward block: SwiGLU (arXiv 2002.05202). N tokens, D model width, F inner width. */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import { type KindParams, matrix, residual } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type MlpWeight = "gate" | "up" | "down";

export function mlpParams(config: ModelConfig): KindParams<MlpWeight> {
  const { hiddenSize: d, intermediateSize: f, numLayers } = config;
  return {
    gate: matrix("mlp.gate_proj.weight", [f, d]),
    up: matrix("mlp.up_proj.weight", [f, d]),
    down: matrix("mlp.down_proj.weight", [d, f], residual(numLayers)),
  };
}

export function mlp(g: GraphBuilder, x_ND: Tensor, weights: KindWeights<MlpWeight>): Tensor {
  const gate_NF = weights.project(x_ND, "gate");
  const up_NF = weights.project(x_ND, "up");
  return weights.project(g.mul(g.silu(gate_NF), up_NF), "down");
}
