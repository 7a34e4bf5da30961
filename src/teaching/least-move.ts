/**
 * The shortest move that is to change several numbers by so much at least, each as its gradient says: min |x|² with
 * a_s · x >= b_s for all s (Gauss-Newton's step; one number alone: b a / |a|²). What cannot be had together is had in part.
 * Knows arrays; not what they mean.
 */

/** A part of each gradient's square that is added to it, so that gradients which contradict each other end in no long way. */
const SOFT = 1e-3;
const SWEEPS = 200;

export interface Wish {
  /** a */
  readonly gradient: Float32Array;
  /** b */
  readonly rise: number;
}

/** By ascent in one multiplier at a time (Hildreth 1957). */
export function leastMove(wishes: readonly Wish[], width: number): Float32Array {
  const products = wishes.map(({ gradient: a }) =>
    wishes.map(({ gradient: b }) => a.reduce((sum, x, i) => sum + x * b[i]!, 0)),
  );
  const multipliers = wishes.map(() => 0);
  for (let sweep = 0; sweep < SWEEPS; sweep++)
    for (const [s, { rise }] of wishes.entries()) {
      const own = products[s]![s]!;
      if (own === 0) continue;
      const now = multipliers.reduce((sum, of, t) => sum + of * products[s]![t]!, 0);
      const missing = rise - now - SOFT * own * multipliers[s]!;
      multipliers[s] = Math.max(0, multipliers[s]! + missing / (own * (1 + SOFT)));
    }
  const move = new Float32Array(width);
  for (const [s, { gradient }] of wishes.entries())
    for (let i = 0; i < width; i++) move[i] = move[i]! + multipliers[s]! * gradient[i]!;
  return move;
}
