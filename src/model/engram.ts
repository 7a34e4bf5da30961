/**
 * Fusion: how retrieved memory enters the residual stream. Rows come in as an ordinary tensor; where
 * they came from, and that they were hashed at all, is not known here.
 *
 * B batch, T tokens, N = B*T, G residual branches, D model width, E memory width.
 * Formulas: spec 7.5-7.6 (DeepSeek-V4.1), short convolution spec 6.2 (arXiv 2601.07372, eq. 4-6).
 */
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import type { LayerWeights } from "./weights.ts";

/**
 * sigmoid(copysign(sqrt(max(|s|, 1e-6)), s)), element by element. The sign is that of 1/s: -0 counts as
 * negative (spec 7.6), which only its reciprocal shows.
 */
export function gateOf(g: GraphBuilder, s: Tensor): Tensor {
  const root = g.sqrt(g.maximum(g.abs(s), 1e-6));
  return g.sigmoid(g.where(g.less(g.reciprocal(s), 0), g.neg(root), root));
}

/**
 * The gate of the normalised product <RMS(hidden), RMS(key)> / sqrt(D), the two gains multiplied in.
 * `hidden_NGD` and `key_NGD` are [N,G,D], gains [G,D]; the result is [N,G,1].
 */
export function engramGate(
  g: GraphBuilder,
  {
    hidden_NGD,
    key_NGD,
    queryGain_GD,
    keyGain_GD,
    eps,
  }: {
    hidden_NGD: Tensor;
    key_NGD: Tensor;
    queryGain_GD: Tensor;
    keyGain_GD: Tensor;
    eps: number;
  },
): Tensor {
  const width = hidden_NGD.shape[2]!;
  // 1/sqrt(D) goes in with the gains, which are the same for every token.
  const gain_GD = g.mul(g.mul(queryGain_GD, keyGain_GD), 1 / Math.sqrt(width));
  const ones = g.constant(new Float32Array(width).fill(1), [width]);
  const query_NGD = g.mul(g.rmsNorm(hidden_NGD, ones, eps), gain_GD);
  const s_NG1 = g.reduceSum(g.mul(query_NGD, g.rmsNorm(key_NGD, ones, eps)), [2]);
  return gateOf(g, s_NG1);
}

/** How the convolution sees earlier positions: `shift(x [B,T,C], by)` is x at t - by, zero where that
 *  lies before the row's or the document's start. */
export type Shift = (x_BTC: Tensor, by: number) => Tensor;

/**
 * u + SiLU(conv(RMS(u))): a causal depthwise convolution whose K taps lie `dilation` apart.
 * `u_BTC` is [B,T,C] with C = G*D, `gain_C` [C], `kernel_C1K` [C,1,K]; tap K-1 is the current token.
 */
export function shortConv(
  g: GraphBuilder,
  {
    u_BTGD,
    gain_GD,
    kernel_C1K,
    dilation,
    eps,
    shift,
  }: {
    u_BTGD: Tensor;
    gain_GD: Tensor;
    kernel_C1K: Tensor;
    dilation: number;
    eps: number;
    shift: Shift;
  },
): Tensor {
  const [batch, length, branches, width] = u_BTGD.shape as [number, number, number, number];
  const channels = branches * width;
  const taps = kernel_C1K.shape[2]!;
  const ones = g.constant(new Float32Array(width).fill(1), [width]);
  const normed_BTC = g.reshape(g.mul(g.rmsNorm(u_BTGD, ones, eps), gain_GD), [
    batch,
    length,
    channels,
  ]);
  let sum_BTC: Tensor | undefined;
  for (let k = 0; k < taps; k++) {
    const tap_C = g.reshape(g.slice(kernel_C1K, 2, k, k + 1), [channels]);
    const term = g.mul(shift(normed_BTC, (taps - 1 - k) * dilation), tap_C);
    sum_BTC = sum_BTC === undefined ? term : g.add(sum_BTC, term);
  }
  return g.add(u_BTGD, g.reshape(g.silu(sum_BTC!), u_BTGD.shape));
}

export interface EngramFusion {
  /** What the memory adds to the stream, [B,T,D]. */
  readonly update_BTD: Tensor;
  /** [B*T,1,1] */
  readonly gate: Tensor;
}

/** One branch: hidden [B,T,D] + memory [B,T,E] -> what to add to hidden, before attention. */
export function engramFusion(
  g: GraphBuilder,
  {
    hidden_BTD,
    memory_BTE,
    weights,
    eps,
    conv,
  }: {
    hidden_BTD: Tensor;
    memory_BTE: Tensor;
    weights: LayerWeights;
    eps: number;
    conv: { readonly dilation: number; readonly shift: Shift } | undefined;
  },
): EngramFusion {
  const [batch, length, width] = hidden_BTD.shape as [number, number, number];
  const rows = batch * length;
  const memory_NE = g.reshape(memory_BTE, [rows, memory_BTE.shape[2]!]);
  const [key_ND, value_ND] = weights.projectHalves(memory_NE, "engram.wkv.weight");
  const gate = engramGate(g, {
    hidden_NGD: g.reshape(hidden_BTD, [rows, 1, width]),
    key_NGD: g.reshape(key_ND, [rows, 1, width]),
    queryGain_GD: weights.gain("engram.q_weight"),
    keyGain_GD: weights.gain("engram.k_weight"),
    eps,
  });
  const gated_ND = g.mul(value_ND, g.reshape(gate, [rows, 1]));
  if (conv === undefined) return { update_BTD: g.reshape(gated_ND, hidden_BTD.shape), gate };
  const out_BTGD = shortConv(g, {
    u_BTGD: g.reshape(gated_ND, [batch, length, 1, width]),
    gain_GD: g.reshape(weights.gain("engram.short_conv.norms.0.weight"), [1, width]),
    kernel_C1K: weights.gain("engram.short_conv.conv.weight"),
    dilation: conv.dilation,
    // The demo's own value for this norm, whatever the model's. (spec 6.1)
    eps: 1e-5,
    shift: conv.shift,
  });
  return { update_BTD: g.reshape(out_BTGD, hidden_BTD.shape), gate };
}
