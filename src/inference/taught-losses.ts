/** What somebody taught, in scores: `taught.ts` has what a text that is written is told of it. Knows chances. */
import type { Raise } from "./taught.ts";

/** -log of the chance of `label`, from the model's own. */
export function taughtLoss(loss: number, label: number, { id, odds }: Raise): number {
  if (label !== id) return loss + Math.log1p(odds);
  return -Math.log((Math.exp(-loss) + odds) / (1 + odds));
}

/** Mixes it into chances [V]. */
export function mixTaught(probs: Float32Array, { id, odds }: Raise): void {
  for (let i = 0; i < probs.length; i++) probs[i]! /= 1 + odds;
  probs[id]! += odds / (1 + odds);
}
