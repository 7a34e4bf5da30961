/**
 * A mixture of two readings of the same tokens: (1 - w) p + w q, which sums to one if both do. The weight is fitted on
 * one half of the tokens and used on the other, in both directions. Knows nats only.
 */
import { InvariantError } from "../../errors.ts";
import type { Nats } from "./paired-blocks.ts";

export interface Mixture {
  readonly nats: Float64Array;
  /** Weight of the second reading on the first half of the tokens, and on the second half. */
  readonly weights: readonly [number, number];
}

/** Weights that are tried: 0, 0.01 … 1. */
const STEPS = 100;

export function mixture(first: Nats, second: Nats): Mixture {
  if (first.length !== second.length)
    throw new InvariantError(`a mixture of ${first.length} and ${second.length} tokens`);
  const [p, q] = [first, second].map((nats) => Float64Array.from(nats, (x) => Math.exp(-x))) as [
    Float64Array,
    Float64Array,
  ];
  const half = p.length >>> 1;
  const early = [0, half] as const;
  const late = [half, p.length] as const;
  const weights = [bestWeight(p, q, late), bestWeight(p, q, early)] as const;
  const nats = new Float64Array(p.length);
  for (const [part, weight] of [
    [early, weights[0]],
    [late, weights[1]],
  ] as const)
    for (let i = part[0]; i < part[1]; i++)
      nats[i] = -Math.log((1 - weight) * p[i]! + weight * q[i]!);
  return { nats, weights };
}

/** The most likely of the weights that are tried. The likelihood is concave in the weight, so bisection finds it. */
function bestWeight(
  p: Float64Array,
  q: Float64Array,
  [from, to]: readonly [number, number],
): number {
  const nats = (step: number): number => {
    const weight = step / STEPS;
    let sum = 0;
    for (let i = from; i < to; i++) sum -= Math.log((1 - weight) * p[i]! + weight * q[i]!);
    return sum;
  };
  let low = 0;
  let high = STEPS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (nats(middle) <= nats(middle + 1)) high = middle;
    else low = middle + 1;
  }
  return low / STEPS;
}
