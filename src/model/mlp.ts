/**
 * The feed-forward block: SwiGLU (arXiv 2002.05202), or one inner layer with GELU (arXiv 1606.08415). N tokens, D model
 * width, F inner width.
 */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import { blockOf, type ModelConfig } from "./config.ts";
import { gain, type KindParams, matrix, residual } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type MlpWeight = "gate" | "up" | "down" | "gateBias" | "upBias" | "downBias";

/** A block without a gate, or without biases, has not all of them, and nobody asks for those. */
export function mlpParams(config: ModelConfig): KindParams<MlpWeight> {
  const { hiddenSize: d, intermediateSize: f, numLayers } = config;
  const { mlp: kind, hasMlpBias } = blockOf(config);
  const isGated = kind === "swiglu";
  return {
    ...(isGated && { gate: matrix("mlp.gate_proj.weight", [f, d]) }),
    up: matrix("mlp.up_proj.weight", [f, d]),
    down: matrix("mlp.down_proj.weight", [d, f], residual(numLayers)),
    ...(hasMlpBias && {
      ...(isGated && { gateBias: gain("mlp.gate_proj.bias", [f], 0) }),
      upBias: gain("mlp.up_proj.bias", [f], 0),
      downBias: gain("mlp.down_proj.bias", [d], 0),
    }),
  } as KindParams<MlpWeight>;
}

export function mlp(
  g: GraphBuilder,
  config: ModelConfig,
  { x_ND, weights }: { x_ND: Tensor; weights: KindWeights<MlpWeight> },
): Tensor {
  const { mlp: kind, hasMlpBias } = blockOf(config);
  const project = (x: Tensor, name: "gate" | "up" | "down"): Tensor =>
    weights.project(x, name, hasMlpBias ? `${name}Bias` : undefined);
  const gate_NF = kind === "swiglu" ? project(x_ND, "gate") : undefined;
  const up_NF = project(x_ND, "up");
  const inner_NF =
    gate_NF === undefined
      ? g.gelu(up_NF, kind === "geluTanh" ? "tanh" : "none")
      : g.mul(g.silu(gate_NF), up_NF);
  return project(inner_NF, "down");
}
