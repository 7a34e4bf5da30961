/**
 * The closed list of operations, and the arithmetic of shapes.
 *
 * Every other table of this folder (types, gradient, reference evaluation, ONNX lowering) is total over
 * `OpName`. So an op added here is a compile error in each of them until it is handled.
 * Knows nothing of backends, models or numbers: only shapes and element types.
 *
 * Shapes are static. Broadcasting follows NumPy, and only the element-wise ops broadcast.
 */
import { ShapeError } from "../errors.ts";
import type { QuantizedBits } from "../numerics/index.ts";

/** u8 is for packed codes. Only the ops that unpack them accept it. */
export type DType = "f32" | "i32" | "bool" | "u8";
export type Shape = readonly number[];

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

type None = Record<never, never>;

/** How a weight is packed; see `matmulQuantized`. */
export interface Packing {
  readonly bits: QuantizedBits;
}

/** Attributes of each op. Comments give inputs -> outputs; `...` is any number of leading axes. */
export interface OpAttrs {
  // Element-wise, f32, broadcasting.
  add: None;
  sub: None;
  mul: None;
  div: None;
  maximum: None;
  neg: None;
  abs: None;
  exp: None;
  log: None;
  sqrt: None;
  reciprocal: None;
  sigmoid: None;
  /** x -> x * sigmoid(x) */
  silu: None;
  /** x -> erf(x) */
  erf: None;
  /** x -> x * Phi(x), Phi the normal distribution's; "tanh" is Phi's approximation of arXiv 1606.08415, section 2. */
  gelu: { readonly approximate: "none" | "tanh" };
  /** x -> copysign(sqrt(max(|x|, least)), x); -0 is negative. Infinite x may give NaN. (spec 7.6) */
  signedSqrt: { readonly least: number };
  // Element-wise, producing or consuming bool. `less` and `equal` take two f32 or two i32.
  less: None;
  equal: None;
  and: None;
  or: None;
  /** (condition bool, a f32, b f32) -> condition ? a : b, all three broadcast */
  where: None;
  cast: { readonly to: DType };
  // Layout.
  reshape: { readonly shape: Shape };
  transpose: { readonly perm: readonly number[] };
  /** Elements start <= i < end along one axis. */
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  /** Zeros before and after along one axis. */
  pad: { readonly axis: number; readonly before: number; readonly after: number };
  concat: { readonly axis: number };
  /** The inverse of concat: x -> `parts` tensors of equal length along one axis. */
  split: { readonly axis: number; readonly parts: number };
  /** Repeats axes of length 1 (and adds leading ones) until the shape is `shape`. */
  broadcastTo: { readonly shape: Shape };
  // Reductions keep the reduced axes with length 1.
  reduceSum: { readonly axes: readonly number[] };
  reduceMean: { readonly axes: readonly number[] };
  /** (a [...,M,K], b [...,K,N]) -> [...,M,N]; trans* first swaps the last two axes of its operand.
   *  Leading axes must be equal: nothing broadcasts here. */
  matmul: { readonly transA: boolean; readonly transB: boolean };
  /** (table [V,D] f32, ids [...] i32) -> [...,D] */
  gatherRows: None;
  /** (ids [...] i32, rows [...,D] f32) -> [numRows,D]; rows with equal ids are summed exactly. */
  scatterAddRows: { readonly numRows: number };
  /** Inference only. (x [N,K], codes [M,K*bits/8] u8, scales [M,K/32], offsets [M,K/32] or none) -> x W^T [N,M],
   *  where W[m,k] = (code - 2^(bits-1)) * scales[m,b] + offsets[m,b], b = floor(k/32). At 4 bits, byte j of a row
   *  holds code 2j in its low half and code 2j+1 in its high half. K is a multiple of 32. A backend may first round x
   *  to 8 bits in blocks of 32, which changes each x by at most 1/254 of the largest value of its block. */
  matmulQuantized: Packing;
  /** (ids [...] i32, codes [V,K*bits/8] u8, scales [V,K/32], offsets [V,K/32] or none) -> rows of W, [...,K], exactly. */
  gatherRowsQuantized: Packing;
  /** Over the last axis. */
  softmax: None;
  /** (x [...,D], gain [D]) -> (x * r * gain [...,D], r [...,1]), r = 1 / sqrt(mean(x^2) + eps) over
   *  the last axis. `r` is for the gradient; forward-only graphs do not use it. */
  rmsNorm: { readonly eps: number };
  /** (x [...,D], gain [D], bias [D]) -> ((x - mean) * r * gain + bias [...,D], mean [...,1], r [...,1]),
   *  r = 1 / sqrt(variance + eps), over the last axis. The last two are what the gradient needs. */
  layerNorm: { readonly eps: number };
  /** (x [B,H,T,d], cos [T,r/2], sin [T,r/2]) -> the first r values of d in rotated halves: (x1 cos - x2 sin,
   *  x2 cos + x1 sin), x1 the first r/2 values and x2 the next (arXiv 2104.09864 in the layout Hugging Face
   *  uses). The rest of d is left as it is. */
  rotary: None;
  /** (q [B,H,M,d], k [B,H,N,d], v [B,H,N,d], bias [B,1,M,N]) ->
   *  (out [B,H,M,d], probs [B,H,M,N]), probs = softmax(scale * q k^T + bias). */
  attention: { readonly scale: number };
  /** Inference only. (q [B,H,T,d], k [B,K,T,d], v [B,K,T,d], kCache [B,K,C,d], vCache [B,K,C,d],
   *  past [B] i32) -> (out [B,H,T,d], kCache', vCache'): writes k and v at positions
   *  past .. past+T-1 of the caches, then attends causally: query t sees positions <= past+t.
   *  With a window, it sees the last `window` of those. Query head h reads key head floor(h / (H/K)). All
   *  lengths in `past` are equal unless T = 1. Two more inputs, cos and sin [C,r/2], have a row a position: q and k are
   *  first rotated as by `rotary`, position past+t by its own row. */
  cachedAttention: { readonly scale: number; readonly window?: number };
  /** (logits [N,V], labels [N] i32) -> (loss [N], probs [N,V]): loss = -log softmax(logits)[label]. */
  crossEntropy: None;
  /** (hidden [N,D], weight [V,D], labels [N] i32) -> (loss [N], probs [N,V]):
   *  loss = -log softmax(hidden weight^T)[label]. */
  linearCrossEntropy: None;
  /** (probs [N,V], labels [N] i32) -> probs with 1 subtracted at each row's label. */
  subtractOneHot: None;
}

export type OpName = keyof OpAttrs;

export function formatType(t: TensorType): string {
  return `${t.dtype}[${t.shape.join(",")}]`;
}

export function sizeOf(shape: Shape): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** NumPy broadcasting of two shapes. Throws an error that names both if they do not fit. */
export function broadcastShapes(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new ShapeError(`cannot broadcast [${a.join(",")}] with [${b.join(",")}]`);
    out.push(x === 1 ? y : x);
  }
  return out;
}
