/**
 * Fusion: how retrieved memory enters the residual stream. Rows come in as an ordinary tensor; where
 * they came from, and that they were hashed at all, is not known here.
 *
 * B batch, T tokens, N = B*T, G residual branches, D model width, E memory width.
 * Formulas: spec 7.5-7.6 (DeepSeek-V4.1), short convolution spec 6.2 (arXiv 2601.07372, eq. 4-6).
 */
import { memoryWidth } from "../memory/index.ts";
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import { gain, type KindParams, matrix } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type EngramWeight = "keyValue" | "queryGain" | "keyGain" | "convNorm" | "conv";

/** One branch. Without a short convolution the last two are not there, and nobody asks for them. */
export function engramParams(config: ModelConfig): KindParams<EngramWeight> {
  const { hiddenSize: d, engramKernelSize: taps, engram } = config;
  const e = memoryWidth(engram!);
  const always = {
    // Key rows then value rows, the released `wkv` layout. (spec 7.5)
    keyValue: matrix("engram.wkv.weight", [2 * d, e], 1 / Math.sqrt(e)),
    queryGain: gain("engram.q_weight", [1, d]),
    keyGain: gain("engram.k_weight", [1, d]),
  };
  const conv = {
    convNorm: gain("engram.short_conv.norms.0.weight", [d]),
    // Zero, so that the convolution starts absent. (arXiv 2601.07372, appendix A)
    conv: gain("engram.short_conv.conv.weight", [d, 1, taps], 0),
  };
  return { ...always, ...(taps > 0 && conv) } as KindParams<EngramWeight>;
}

/** sigmoid(copysign(sqrt(max(|s|, 1e-6)), s)), element by element; -0 counts as negative. (spec 7.6) */
export function gateOf(g: GraphBuilder, s: Tensor): Tensor {
  return g.sigmoid(g.signedSqrt(s, 1e-6));
}

/** RMS(x) times a gain, x [...,G,D] and gain [G,D]; or x [...,D] and gain [1,D]. */
function normed(
  g: GraphBuilder,
  { x, gain_GD, eps }: { x: Tensor; gain_GD: Tensor; eps: number },
): Tensor {
  const [branches, width] = gain_GD.shape as [number, number];
  if (branches === 1) return g.rmsNorm(x, g.reshape(gain_GD, [width]), eps);
  const ones = g.constant(new Float32Array(width).fill(1), [width]);
  return g.mul(g.rmsNorm(x, ones, eps), gain_GD);
}

/**
 * The gate of the normalised product <RMS(hidden), RMS(key)> / sqrt(D), the two gains multiplied in.
 * `hidden` and `key` are [...,G,D], or [...,D] with one branch; gains [G,D]. The result has 1 in D's place.
 */
export function engramGate(
  g: GraphBuilder,
  {
    hidden,
    key,
    queryGain_GD,
    keyGain_GD,
    eps,
  }: { hidden: Tensor; key: Tensor; queryGain_GD: Tensor; keyGain_GD: Tensor; eps: number },
): Tensor {
  const last = hidden.shape.length - 1;
  const query = normed(g, { x: hidden, gain_GD: queryGain_GD, eps });
  const product = g.mul(query, normed(g, { x: key, gain_GD: keyGain_GD, eps }));
  const s = g.mul(g.reduceSum(product, [last]), 1 / Math.sqrt(hidden.shape[last]!));
  return gateOf(g, s);
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
  const normed_BTC = g.reshape(normed(g, { x: u_BTGD, gain_GD, eps }), [batch, length, channels]);
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
  /** [B,T,1] */
  readonly gate: Tensor;
}

/** One branch: hidden [B,T,D] + memory [B*T,E] -> what to add to hidden, before attention. */
export function engramFusion(
  g: GraphBuilder,
  {
    hidden_BTD,
    memory_NE,
    weights,
    eps,
    conv,
    heldGate_B11,
  }: {
    hidden_BTD: Tensor;
    memory_NE: Tensor;
    weights: KindWeights<EngramWeight>;
    eps: number;
    conv: { readonly dilation: number; readonly shift: Shift } | undefined;
    /** The gate of each row in place of its own, where that is not negative. */
    heldGate_B11?: Tensor | undefined;
  },
): EngramFusion {
  const [batch, length, width] = hidden_BTD.shape as [number, number, number];
  const [key_BTD, value_BTD] = weights.projectHalves(memory_NE, "keyValue", [batch, length]);
  const ownGate_BT1 = engramGate(g, {
    hidden: hidden_BTD,
    key: key_BTD,
    queryGain_GD: weights.gain("queryGain"),
    keyGain_GD: weights.gain("keyGain"),
    eps,
  });
  const gate_BT1 =
    heldGate_B11 === undefined
      ? ownGate_BT1
      : g.where(g.less(heldGate_B11, 0), ownGate_BT1, heldGate_B11);
  const gated_BTD = g.mul(value_BTD, gate_BT1);
  if (conv === undefined) return { update_BTD: gated_BTD, gate: gate_BT1 };
  const out_BTGD = shortConv(g, {
    u_BTGD: g.reshape(gated_BTD, [batch, length, 1, width]),
    gain_GD: g.reshape(weights.gain("convNorm"), [1, width]),
    kernel_C1K: weights.gain("conv"),
    dilation: conv.dilation,
    // The demo's own value for this norm, whatever the model's. (spec 6.1)
    eps: 1e-5,
    shift: conv.shift,
  });
  return { update_BTD: g.reshape(out_BTGD, hidden_BTD.shape), gate: gate_BT1 };
}
