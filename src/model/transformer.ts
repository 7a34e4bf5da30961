/**
 * The whole model: embedding, blocks, final norm. One function serves training, prefill and decode, which
 * differ in the `attend`, `shift` and `rotation` that they pass. No files, no flags, no cache policy.
 *
 * A block is pre-norm: x += engram(x, memory); x += attention(norm(x)); x += mlp(norm(x)).
 *
 * B batch, T tokens, D model width, E memory width.
 */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import { type Attend, attentionParams, type Rotation, selfAttention } from "./attention.ts";
import { attentionNormParams, mlpNormParams } from "./block.ts";
import type { ModelConfig } from "./config.ts";
import { engramFusion, engramParams, type Shift } from "./engram.ts";
import { mlp, mlpParams } from "./mlp.ts";
import type { KindParams } from "./kind.ts";
import type { ModelWeights } from "./weights.ts";

/** The layers `from` to `to` - 1. */
export interface LayerRange {
  readonly from: number;
  readonly to: number;
}

export interface TransformerInputs {
  readonly ids_BT: Tensor;
  /** The layers to run. Default: all. */
  readonly layers?: LayerRange;
  /** The residual stream before the first of them, [B,T,D], if that is not the model's first layer. */
  readonly stream_BTD?: Tensor;
  readonly rotation: Rotation;
  readonly attend: Attend;
  /** Memory of each Engram layer, [B*T,E]. A layer without an entry runs as if it had no memory. */
  readonly memory: ReadonlyMap<number, Tensor>;
  /** Called by layers with a short convolution; see `Shift`. */
  readonly shift: (layer: number) => Shift;
  /** Factor on what the memory adds to each row, [B,1,1]. Absent: 1. */
  readonly scale_B11?: Tensor;
  /** Gates [B,1,1] by layer. Where not negative, they replace the computed gate. Absent: all computed. */
  readonly heldGates?: ReadonlyMap<number, Tensor>;
}

export interface TransformerOutputs {
  /** [B,T,D] after the final norm, or the residual stream after the last of `layers` if more layers follow. */
  readonly hidden_BTD: Tensor;
  /** The gate of each Engram layer that had memory, [B,T,1]. */
  readonly gates: ReadonlyMap<number, Tensor>;
  /** For each of these layers, what it added to the residual stream, and the stream before; both [B,T,D]. */
  readonly writes: ReadonlyMap<
    number,
    { readonly update_BTD: Tensor; readonly stream_BTD: Tensor }
  >;
}

export function transformer(
  g: GraphBuilder,
  config: ModelConfig,
  params: ModelWeights,
  inputs: TransformerInputs,
): TransformerOutputs {
  const { ids_BT, rotation, attend, memory, shift, scale_B11, heldGates } = inputs;
  const { layers = { from: 0, to: config.numLayers }, stream_BTD } = inputs;
  const eps = config.rmsNormEps;
  const gates = new Map<number, Tensor>();
  const writes = new Map<number, { update_BTD: Tensor; stream_BTD: Tensor }>();
  let x_BTD = stream_BTD ?? params.embed(ids_BT);
  const [batch, length, width] = x_BTD.shape as [number, number, number];
  for (let layer = layers.from; layer < layers.to; layer++) {
    const layerWeights = params.layer(layer);
    const memory_NE = memory.get(layer);
    if (memory_NE !== undefined) {
      const conv =
        config.engramKernelSize > 0
          ? { dilation: config.engram!.maxNgramSize, shift: shift(layer) }
          : undefined;
      const fusion = engramFusion(g, {
        hidden_BTD: x_BTD,
        memory_NE,
        weights: layerWeights.of(engramParams(config)),
        eps,
        conv,
        heldGate_B11: heldGates?.get(layer),
      });
      const update_BTD =
        scale_B11 === undefined ? fusion.update_BTD : g.mul(fusion.update_BTD, scale_B11);
      writes.set(layer, { update_BTD, stream_BTD: x_BTD });
      x_BTD = g.add(x_BTD, update_BTD);
      gates.set(layer, fusion.gate);
    }
    const norm = (kind: KindParams<"gain">): Tensor =>
      g.rmsNorm(x_BTD, layerWeights.of(kind).gain("gain"), eps);
    const attentionIn = norm(attentionNormParams(config));
    const weights = layerWeights.of(attentionParams(config));
    x_BTD = g.add(
      x_BTD,
      selfAttention(g, config, { layer, x_BTD: attentionIn, weights, rotation, attend }),
    );
    const mlpIn_ND = g.reshape(norm(mlpNormParams(config)), [batch * length, width]);
    const mlpOut = mlp(g, mlpIn_ND, layerWeights.of(mlpParams(config)));
    x_BTD = g.add(x_BTD, g.reshape(mlpOut, x_BTD.shape));
  }
  if (layers.to < config.numLayers) return { hidden_BTD: x_BTD, gates, writes };
  return { hidden_BTD: g.rmsNorm(x_BTD, params.finalNorm, eps), gates, writes };
}
