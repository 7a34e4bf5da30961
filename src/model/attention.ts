/**
 * Grouped-query attention, with rotary positions and RMS-normalised queries and keys (QK-norm) where the model has them.
 * The caller's `attend` says which keys a query sees: those of the same batch, or those of a cache. So one function
 * serves training, prefill and decode.
 *
 * B batch, T tokens, D model width, H query heads, K key heads, d head width, N = B*T.
 */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import { blockOf, type ModelConfig } from "./config.ts";
import { gain, type KindParams, matrix, residual } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type Projection = "q" | "k" | "v" | "out";
type AttentionWeight = Projection | `${Projection}Bias` | "qNorm" | "kNorm";

/** A model without QK-norm, or without biases, has not all of them, and nobody asks for those. */
export function attentionParams(config: ModelConfig): KindParams<AttentionWeight> {
  const { hiddenSize: d, headDim, numHeads, numKvHeads, numLayers } = config;
  const { hasQkNorm, attentionBias } = blockOf(config);
  const [queries, keys] = [numHeads * headDim, numKvHeads * headDim];
  return {
    q: matrix("self_attn.q_proj.weight", [queries, d]),
    k: matrix("self_attn.k_proj.weight", [keys, d]),
    v: matrix("self_attn.v_proj.weight", [keys, d]),
    ...(attentionBias !== "none" && {
      qBias: gain("self_attn.q_proj.bias", [queries], 0),
      kBias: gain("self_attn.k_proj.bias", [keys], 0),
      vBias: gain("self_attn.v_proj.bias", [keys], 0),
    }),
    ...(hasQkNorm && {
      qNorm: gain("self_attn.q_norm.weight", [headDim]),
      kNorm: gain("self_attn.k_norm.weight", [headDim]),
    }),
    out: matrix("self_attn.o_proj.weight", [d, queries], residual(numLayers)),
    ...(attentionBias === "all" && { outBias: gain("self_attn.o_proj.bias", [d], 0) }),
  } as KindParams<AttentionWeight>;
}

/** (layer, q [B,H,T,d], k [B,K,T,d], v [B,K,T,d]) -> [B,H,T,d] */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor) => Tensor;

export interface Rotation {
  /** r is the rotated width of a head. Both are [T, r/2], or [B*T, r/2] where every row has its own positions. */
  readonly cos: Tensor;
  readonly sin: Tensor;
}

export function selfAttention(
  g: GraphBuilder,
  config: ModelConfig,
  {
    layer,
    x_BTD,
    weights,
    rotation,
    attend,
  }: {
    layer: number;
    x_BTD: Tensor;
    weights: KindWeights<AttentionWeight>;
    /** Absent where positions are learned. */
    rotation: Rotation | undefined;
    attend: Attend;
  },
): Tensor {
  const [batch, length, width] = x_BTD.shape as [number, number, number];
  const { headDim, rmsNormEps } = config;
  const { hasQkNorm, attentionBias } = blockOf(config);
  const x_ND = g.reshape(x_BTD, [batch * length, width]);
  const heads = (name: "q" | "k" | "v", count: number): Tensor => {
    const bias = attentionBias === "none" ? undefined : (`${name}Bias` as const);
    return g.reshape(weights.project(x_ND, name, bias), [batch, length, count, headDim]);
  };
  const place = (x_BTHd: Tensor, norm: "qNorm" | "kNorm"): Tensor => {
    const normed_BTHd = hasQkNorm ? g.rmsNorm(x_BTHd, weights.gain(norm), rmsNormEps) : x_BTHd;
    if (rotation === undefined) return g.transpose(normed_BTHd, [0, 2, 1, 3]);
    const turn = (x: Tensor): Tensor =>
      g.rotary(g.transpose(x, [0, 2, 1, 3]), rotation.cos, rotation.sin);
    if (rotation.cos.shape[0] === length) return turn(normed_BTHd);
    // Of its own positions, the rotation takes the rows as one sequence.
    const numHeads = x_BTHd.shape[2]!;
    const x_1NHd = g.reshape(normed_BTHd, [1, batch * length, numHeads, headDim]);
    const x_HBTd = g.reshape(turn(x_1NHd), [numHeads, batch, length, headDim]);
    return g.transpose(x_HBTd, [1, 0, 2, 3]);
  };
  const q_BHTd = place(heads("q", config.numHeads), "qNorm");
  const k_BKTd = place(heads("k", config.numKvHeads), "kNorm");
  const v_BKTd = g.transpose(heads("v", config.numKvHeads), [0, 2, 1, 3]);
  const out_BHTd = attend(layer, q_BHTd, k_BKTd, v_BKTd);
  const out_ND = g.reshape(g.transpose(out_BHTd, [0, 2, 1, 3]), [
    batch * length,
    config.numHeads * headDim,
  ]);
  const y_ND = weights.project(out_ND, "out", attentionBias === "all" ? "outBias" : undefined);
  return g.reshape(y_ND, x_BTD.shape);
}

/** The graph values of one layer's key-value cache, [B,K,C,d] each. */
export interface LayerCache {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/**
 * Attention over everything in a cache plus the new positions. `caches` has one entry a layer. Each entry is replaced
 * by the updated cache.
 */
export function cachedAttend(
  g: GraphBuilder,
  config: ModelConfig,
  {
    caches,
    past_B,
    angles,
  }: {
    caches: LayerCache[];
    past_B: Tensor;
    /** cos and sin with a row a position of the caches; none where positions are learned. */
    angles: readonly Tensor[];
  },
): Attend {
  const { slidingWindow: window } = blockOf(config);
  const attrs = { scale: 1 / Math.sqrt(config.headDim), ...(window !== undefined && { window }) };
  return (layer, q, k, v) => {
    const cache = caches[layer]!;
    const [out, keys, values] = g.op(
      "cachedAttention",
      [q, k, v, cache.keys, cache.values, past_B, ...angles],
      attrs,
    ) as [Tensor, Tensor, Tensor];
    caches[layer] = { keys, values };
    return out;
  };
}
