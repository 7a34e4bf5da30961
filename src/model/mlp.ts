/** The feed-forward block: SwiGLU (arXiv 2002.05202). N tokens, D model width, F inner width. */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";

export function mlp(g: GraphBuilder, x_ND: Tensor, weight: (name: string) => Tensor): Tensor {
  const gate_NF = g.matmul(x_ND, weight("mlp.gate_proj.weight"), { transB: true });
  const up_NF = g.matmul(x_ND, weight("mlp.up_proj.weight"), { transB: true });
  return g.matmul(g.mul(g.silu(gate_NF), up_NF), weight("mlp.down_proj.weight"), { transB: true });
}
