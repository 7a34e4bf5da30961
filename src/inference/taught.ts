/**
 * What somebody taught to follow, mixed into what the model says: p = (p_model + odds · [id]) / (1 + odds). Up to the
 * common factor that raises one logit, so all others keep their bits. Knows chances; not keys, facts or scopes.
 */
import type { TaughtNext } from "../memory/memory.ts";

type Raise = Pick<TaughtNext, "id" | "odds">;

/** Raises the logit of `id` in `logits` [V]. */
export function raiseLogit(logits: Float32Array, { id, odds }: Raise): void {
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > largest) largest = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  logits[id] = largest + Math.log(Math.exp(logits[id]! - largest) + odds * sum);
}

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
