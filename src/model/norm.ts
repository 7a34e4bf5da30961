/** Norms of the stream, of either kind: RMS with a gain (arXiv 1910.07467), or LayerNorm with gain and bias (1607.06450). */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import { blockOf, type ModelConfig } from "./config.ts";
import { gain, type KindParams } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type NormWeight = "gain" | "bias";

/** Weights called `name`.weight and, with LayerNorm, `name`.bias, [D]. */
export function normParams(config: ModelConfig, name: string): KindParams<NormWeight> {
  const shape = [config.hiddenSize];
  return {
    gain: gain(`${name}.weight`, shape),
    ...(blockOf(config).norm === "layer" && { bias: gain(`${name}.bias`, shape, 0) }),
  } as KindParams<NormWeight>;
}

export function norm(
  g: GraphBuilder,
  config: ModelConfig,
  { x_BTD, weights }: { x_BTD: Tensor; weights: KindWeights<NormWeight> },
): Tensor {
  const eps = config.rmsNormEps;
  return blockOf(config).norm === "rms"
    ? g.rmsNorm(x_BTD, weights.gain("gain"), eps)
    : g.layerNorm(x_BTD, weights.gain("gain"), weights.gain("bias"), eps);
}
