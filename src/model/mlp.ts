/** The feed-forward block: SwiGLU (arXiv 2002.05202). N tokens, D model width, F inner width. */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import type { LayerWeights } from "./weights.ts";

export function mlp(g: GraphBuilder, x_ND: Tensor, weights: LayerWeights): Tensor {
  const gate_NF = weights.project(x_ND, "mlp.gate_proj.weight");
  const up_NF = weights.project(x_ND, "mlp.up_proj.weight");
  return weights.project(g.mul(g.silu(gate_NF), up_NF), "mlp.down_proj.weight");
}
