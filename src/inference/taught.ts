/**
 * What somebody taught to follow, mixed into what the model says: p = (p_model + odds · [id]) / (1 + odds). Up to the
 * common factor that raises one logit, so all others keep their bits. Knows chances; not keys, facts or scopes.
 */
import type { TaughtNext } from "../memory/memory.ts";

export type Raise = Pick<TaughtNext, "id" | "odds">;

/** Raises the logit of `id` in `logits` [V]. */
export function raiseLogit(logits: Float32Array, { id, odds }: Raise): void {
  let largest = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > largest) largest = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  logits[id] = largest + Math.log(Math.exp(logits[id]! - largest) + odds * sum);
}
