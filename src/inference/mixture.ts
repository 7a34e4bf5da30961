/**
 * What the memory itself says of the next id, mixed into what the model says: the graph gives the weights, the memory
 * the distributions. Knows chances and weights; no graphs, no sessions.
 *
 * V vocabulary, K distributions; weights [1+K], the backbone's first.
 */
import type { Distributions } from "../memory/memory.ts";
import type { View } from "./view.ts";

/**
 * Weights [n, 1+K] under a view: with scale s the memory's odds against the backbone are s times what they were. They
 * still sum to one.
 */
export function weightsUnder(
  weights: Float32Array,
  width: number,
  { scale }: Pick<View, "scale">,
): Float32Array {
  const scaled = weights.slice();
  if (scale === 1) return scaled;
  for (let at = 0; at < scaled.length; at += width) {
    // However small the backbone's weight is, without the memory it is all there is.
    const own = scale === 0 ? 1 : scaled[at]!;
    let sum = own;
    for (let i = 1; i < width; i++) sum += scale * scaled[at + i]!;
    scaled[at] = own / sum;
    for (let i = 1; i < width; i++) scaled[at + i]! *= scale / sum;
  }
  return scaled;
}

/** -log of the mixed chance of an id, from the backbone's own -log chance and the distributions' chances [K]. */
export function mixedLoss(
  loss: number,
  weights: ArrayLike<number>,
  chances: ArrayLike<number>,
): number {
  let chance = weights[0]! * Math.exp(-loss);
  for (let i = 0; i < chances.length; i++) chance += weights[i + 1]! * chances[i]!;
  return -Math.log(chance);
}

/** Chances [V] of the backbone in, of both out. */
export function mixProbs(
  probs: Float32Array,
  weights: Float32Array,
  { of, position }: { of: Distributions; position: number },
): void {
  const own = weights[0]!;
  for (let id = 0; id < probs.length; id++) probs[id]! *= own;
  of.add(position, weights.subarray(1), probs);
}

/** Logits [V] of the backbone in; logarithms of the mixed chances out. */
export function mixLogits(
  logits: Float32Array,
  weights: Float32Array,
  { of, position }: { of: Distributions; position: number },
): void {
  let largest = -Infinity;
  for (let id = 0; id < logits.length; id++) if (logits[id]! > largest) largest = logits[id]!;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += logits[id] = Math.exp(logits[id]! - largest);
  const own = weights[0]! / sum;
  for (let id = 0; id < logits.length; id++) logits[id]! *= own;
  of.add(position, weights.subarray(1), logits);
  // Zero only where the backbone's chance underflows and nothing was counted: then as good as never.
  for (let id = 0; id < logits.length; id++) logits[id] = Math.log(Math.max(logits[id]!, 1e-38));
}
