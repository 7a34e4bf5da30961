/**
 * The whole model: embedding, blocks, final norm. One function serves training, prefill and decode, which
 * differ in the `attend`, `shift` and `rotation` that they pass. No files, no flags, no cache policy.
 *
 * A block is pre-norm: x += overlay; x += engram(x, memory); x += attention(norm(x)); x += mlp(norm(x)). In a parallel
 * one the MLP reads the stream that attention reads.
 *
 * B batch, T tokens, D model width, E memory width.
 */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import { type Attend, attentionParams, type Rotation, selfAttention } from "./attention.ts";
import { attentionNorm, finalNorm, mlpNorm } from "./block.ts";
import { blockOf, type ModelConfig } from "./config.ts";
import { engramFusion, engramParams, type Shift } from "./engram.ts";
import { mlp, mlpParams } from "./mlp.ts";
import { norm, normParams } from "./norm.ts";
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
  /** Where positions are rotations. */
  readonly rotation?: Rotation | undefined;
  /** Where positions are learned: those of the tokens, [B,T] i32. */
  readonly positions_BT?: Tensor | undefined;
  readonly attend: Attend;
  /** Memory of each Engram layer, [B*T,E]. A layer without an entry runs as if it had no memory. */
  readonly memory: ReadonlyMap<number, Tensor>;
  /** Called by layers with a short convolution; see `Shift`. */
  readonly shift: (layer: number) => Shift;
  /** Factor on what the memory adds to each row, [B,1,1]. Absent: 1. */
  readonly scale_B11?: Tensor;
  /** Gates [B,1,1] by layer. Where not negative, they replace the computed gate. Absent: all computed. */
  readonly heldGates?: ReadonlyMap<number, Tensor>;
  /**
   * What is added to the residual stream before a layer, [B,T,D]; under the number of layers, what is added before the
   * final norm. Absent: nothing.
   */
  readonly overlays?: ReadonlyMap<number, Tensor>;
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
  const { ids_BT, positions_BT, rotation, attend, memory, shift, scale_B11, heldGates } = inputs;
  const { layers = { from: 0, to: config.numLayers }, stream_BTD, overlays } = inputs;
  const eps = config.rmsNormEps;
  const gates = new Map<number, Tensor>();
  const writes = new Map<number, { update_BTD: Tensor; stream_BTD: Tensor }>();
  const overlaid = (stream: Tensor, layer: number): Tensor => {
    const overlay_BTD = overlays?.get(layer);
    return overlay_BTD === undefined ? stream : g.add(stream, overlay_BTD);
  };
  let x_BTD = stream_BTD ?? params.embed(ids_BT, positions_BT);
  const [batch, length, width] = x_BTD.shape as [number, number, number];
  for (let layer = layers.from; layer < layers.to; layer++) {
    x_BTD = overlaid(x_BTD, layer);
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
        gate: config.engramGate,
        conv,
        heldGate_B11: heldGates?.get(layer),
      });
      const update_BTD =
        scale_B11 === undefined ? fusion.update_BTD : g.mul(fusion.update_BTD, scale_B11);
      writes.set(layer, { update_BTD, stream_BTD: x_BTD });
      x_BTD = g.add(x_BTD, update_BTD);
      gates.set(layer, fusion.gate);
    }
    const normed = (stream: Tensor, name: string): Tensor =>
      norm(g, config, { x_BTD: stream, weights: layerWeights.of(normParams(config, name)) });
    const before_BTD = x_BTD;
    const attended_BTD = selfAttention(g, config, {
      layer,
      x_BTD: normed(before_BTD, attentionNorm),
      weights: layerWeights.of(attentionParams(config)),
      rotation,
      attend,
    });
    x_BTD = g.add(before_BTD, attended_BTD);
    const mlpIn_BTD = normed(blockOf(config).isParallel ? before_BTD : x_BTD, mlpNorm);
    const mlpOut_ND = mlp(g, config, {
      x_ND: g.reshape(mlpIn_BTD, [batch * length, width]),
      weights: layerWeights.of(mlpParams(config)),
    });
    x_BTD = g.add(x_BTD, g.reshape(mlpOut_ND, x_BTD.shape));
  }
  if (layers.to < config.numLayers) return { hidden_BTD: x_BTD, gates, writes };
  x_BTD = overlaid(x_BTD, config.numLayers);
  const weights = params.top.of(normParams(config, finalNorm));
  return { hidden_BTD: norm(g, config, { x_BTD, weights }), gates, writes };
}
