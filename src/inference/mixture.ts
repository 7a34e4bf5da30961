/**
 * What the memory itself says of the next id, mixed into what the model says: the graph gives the weights, the memory
 * the distributions. Knows chances and weights; no graphs, no sessions.
 *
 * V vocabulary, K distributions; weights [1+K], the backbone's first.
 */
import { RequestError } from "../errors.ts";
import type { Distributions } from "../memory/memory.ts";
import type { View } from "./view.ts";

/** How the memory's distributions are weighed, if not as the graph says. */
export interface MixtureView {
  /** Weights [1+K], in place of the graph's. */
  readonly held?: readonly number[];
  /** [K] The odds of each distribution against the backbone are multiplied by this. Default: 1 each. */
  readonly odds?: readonly number[];
}

/**
 * Weights [n, 1+K] under a view: with scale s the memory's odds against the backbone are s times what they were. They
 * still sum to one.
 */
export function weightsUnder(
  weights: Float32Array,
  width: number,
  { scale, mixture: { held, odds } = {} }: Pick<View, "scale" | "mixture">,
): Float32Array {
  const scaled = weights.slice();
  if (held !== undefined) for (let at = 0; at < scaled.length; at += width) scaled.set(held, at);
  if (scale === 1 && odds === undefined) return scaled;
  const factors = Array.from({ length: width - 1 }, (_, i) => scale * (odds?.[i] ?? 1));
  for (let at = 0; at < scaled.length; at += width) {
    let others = 0;
    for (let i = 1; i < width; i++) others += scaled[at + i]! * factors[i - 1]!;
    // However small the backbone's weight is, without the memory it is all there is.
    const own = others === 0 ? 1 : scaled[at]!;
    scaled[at] = own / (own + others);
    // In one go: the product alone may be too small for an element.
    for (let i = 1; i < width; i++)
      scaled[at + i] = (scaled[at + i]! * factors[i - 1]!) / (own + others);
  }
  return scaled;
}

/** Throws `RequestError` unless this says how to weigh `count` distributions. */
export function checkMixture({ held, odds }: MixtureView, count: number): void {
  const isShare = (weight: number): boolean => weight >= 0 && weight <= 1;
  const sum = held?.reduce((all, weight) => all + weight, 0) ?? 1;
  if (held !== undefined && !(held.length === count + 1 && held.every(isShare)))
    throw new RequestError(
      `the weights of a backbone and ${count} distributions of its memory are ${count + 1} numbers of 0..1, got ${held.join(", ") || "none"}`,
    );
  if (Math.abs(sum - 1) > 1e-3)
    throw new RequestError(
      `the weights of a mixture sum to one, got ${held!.join(" + ")} = ${sum}`,
    );
  if (
    odds !== undefined &&
    !(odds.length === count && odds.every((by) => by >= 0 && Number.isFinite(by)))
  )
    throw new RequestError(
      `the odds of ${count} distributions are multiplied by as many numbers of at least 0, got ${odds.join(", ") || "none"}`,
    );
}

/** Whether the memory has no say: then what the backbone says stays as it is, to the last bit. */
function isSilent(weights: ArrayLike<number>): boolean {
  for (let i = 1; i < weights.length; i++) if (weights[i] !== 0) return false;
  return weights[0] === 1;
}

/** -log of the mixed chance of an id, from the backbone's own -log chance and the distributions' chances [K]. */
export function mixedLoss(
  loss: number,
  weights: ArrayLike<number>,
  chances: ArrayLike<number>,
): number {
  if (isSilent(weights)) return loss;
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
  if (isSilent(weights)) return;
  const own = weights[0]!;
  for (let id = 0; id < probs.length; id++) probs[id]! *= own;
  of.add(position, weights.subarray(1), probs);
}

/** Logits [V] of the backbone in; logarithms of the mixed chances out, or, where only the backbone counts, its logits. */
export function mixLogits(
  logits: Float32Array,
  weights: Float32Array,
  { of, position }: { of: Distributions; position: number },
): void {
  if (isSilent(weights)) return;
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
