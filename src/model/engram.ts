/**
 * Fusion: how retrieved memory enters the residual stream. Rows come in as an ordinary tensor. This module knows
 * neither where they came from nor that they were hashed.
 *
 * B batch, T tokens, N = B*T, G residual branches, D model width, E memory width.
 * Formulas: spec 7.5-7.6 (DeepSeek-V4.1), short convolution spec 6.2 (arXiv 2601.07372, eq. 4-6).
 */
import { memoryWidth } from "../memory/index.ts";
import type { GraphBuilder, Tensor } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import { gain, type KindParams, matrix } from "./kind.ts";
import type { KindWeights } from "./weights.ts";

type EngramWeight = "keyValue" | "queryGain" | "keyGain" | "value" | "convNorm" | "conv";

/** Weights of one branch. Without a short convolution its two do not exist and are never used; a gate that is a constant has no keys. */
export function engramParams(config: ModelConfig): KindParams<EngramWeight> {
  const { hiddenSize: d, engramKernelSize: taps, engramGate: constant, engram } = config;
  const e = memoryWidth(engram!);
  const fromKeys = {
    // Key rows then value rows, the released `wkv` layout. (spec 7.5)
    keyValue: matrix("engram.wkv.weight", [2 * d, e], 1 / Math.sqrt(e)),
    queryGain: gain("engram.q_weight", [1, d]),
    keyGain: gain("engram.k_weight", [1, d]),
  };
  const fromNothing = { value: matrix("engram.wv.weight", [d, e], 1 / Math.sqrt(e)) };
  const conv = {
    convNorm: gain("engram.short_conv.norms.0.weight", [d]),
    // Starts at zero, so that the convolution adds nothing at first. (arXiv 2601.07372, appendix A)
    conv: gain("engram.short_conv.conv.weight", [d, 1, taps], 0),
  };
  return {
    ...(constant === undefined ? fromKeys : fromNothing),
    ...(taps > 0 && conv),
  } as KindParams<EngramWeight>;
}

/** sigmoid(copysign(sqrt(max(|s|, 1e-6)), s)), elementwise; -0 counts as negative. (spec 7.6) */
export function gateOf(g: GraphBuilder, s: Tensor): Tensor {
  return g.sigmoid(g.signedSqrt(s, 1e-6));
}

/** RMS-normalised x times a gain: x [...,G,D] and gain [G,D], or x [...,D] and gain [1,D]. */
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
 * The gate, from the normalised product <RMS(hidden), RMS(key)> / sqrt(D), with both gains applied.
 * `hidden` and `key` are [...,G,D], or [...,D] with one branch; gains are [G,D]. In the result, D is replaced by 1.
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

/**
 * How the convolution reads earlier positions: `shift(x [B,T,C], by)` is x at position t - by, or zero where that
 * position is before the start of the row or of the document.
 */
export type Shift = (x_BTC: Tensor, by: number) => Tensor;

/**
 * u + SiLU(conv(RMS(u))): a causal depthwise convolution of K taps with the given dilation.
 * `u_BTC` is [B,T,C] with C = G*D, `gain_C` [C], `kernel_C1K` [C,1,K]. Tap K-1 is the current token.
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
  /** What the memory adds to the residual stream, [B,T,D]. */
  readonly update_BTD: Tensor;
  /** [B,T,1] */
  readonly gate: Tensor;
}

/** One branch: hidden [B,T,D] and memory [B*T,E] -> the update to add to hidden before attention. */
export function engramFusion(
  g: GraphBuilder,
  {
    hidden_BTD,
    memory_NE,
    weights,
    eps,
    gate,
    conv,
    heldGate_B11,
  }: {
    hidden_BTD: Tensor;
    memory_NE: Tensor;
    weights: KindWeights<EngramWeight>;
    eps: number;
    /** The constant in place of a computed gate. */
    gate: number | undefined;
    conv: { readonly dilation: number; readonly shift: Shift } | undefined;
    /** Where not negative, replaces the gate of the row. */
    heldGate_B11?: Tensor | undefined;
  },
): EngramFusion {
  const [batch, length, width] = hidden_BTD.shape as [number, number, number];
  const leading = [batch, length];
  let value_BTD: Tensor;
  let ownGate_BT1: Tensor;
  if (gate === undefined) {
    const [key, value] = weights.projectHalves(memory_NE, "keyValue", leading);
    value_BTD = value;
    ownGate_BT1 = engramGate(g, {
      hidden: hidden_BTD,
      key,
      queryGain_GD: weights.gain("queryGain"),
      keyGain_GD: weights.gain("keyGain"),
      eps,
    });
  } else {
    value_BTD = g.reshape(weights.project(memory_NE, "value"), hidden_BTD.shape);
    ownGate_BT1 = g.constant(new Float32Array(batch * length).fill(gate), [...leading, 1]);
  }
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
    // The constant of the paper's demo for this norm, independent of the model's own. (spec 6.1)
    eps: 1e-5,
    shift: conv.shift,
  });
  return { update_BTD: g.reshape(out_BTGD, hidden_BTD.shape), gate: gate_BT1 };
}
