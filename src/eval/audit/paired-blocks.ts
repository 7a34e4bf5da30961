/**
 * The difference between two readings of the same tokens, and its uncertainty. Differences are taken token by token and
 * summed over blocks of adjacent tokens, because neighbouring tokens are not independent. The interval is Student's t
 * over the blocks, at 95 %. Knows nats only.
 */
import { InvariantError } from "../../errors.ts";
import { studentT } from "../../numerics/index.ts";
import { ratioOfSums } from "../ratio.ts";

/** Nats of each scored token, in the order of the text. */
export type Nats = Float32Array | Float64Array;

/** Nats a token; positive where the base is better. */
export interface Difference {
  readonly mean: number;
  /** Half the width of the interval; undefined if there are too few blocks. */
  readonly plusMinus: number | undefined;
}

const MOST_BLOCKS = 100;
const LEAST_TOKENS = 256;

/** Number of blocks for `numTokens` tokens. Their lengths differ by at most one. */
export function numBlocksOf(numTokens: number): number {
  return Math.min(MOST_BLOCKS, Math.max(1, Math.floor(numTokens / LEAST_TOKENS)));
}

/**
 * Mean of `nats` - `base` over the tokens for which `has` holds (default: all). If blocks hold different numbers of
 * these tokens, the mean is a ratio of two sums.
 */
export function pairedDifference(
  nats: Nats,
  base: Nats,
  has: (token: number) => boolean = () => true,
): Difference {
  if (nats.length !== base.length)
    throw new InvariantError(`paired readings of ${nats.length} and ${base.length} tokens`);
  const numBlocks = numBlocksOf(nats.length);
  const blocks = Array.from({ length: numBlocks }, () => ({ value: 0, weight: 0 }));
  for (let i = 0; i < nats.length; i++) {
    if (!has(i)) continue;
    const block = blocks[Math.floor((i * numBlocks) / nats.length)]!;
    block.value += nats[i]! - base[i]!;
    block.weight++;
  }
  const used = blocks.filter(({ weight }) => weight > 0);
  const { value: mean, standardError } = ratioOfSums(used);
  return {
    mean,
    plusMinus: standardError && studentT(used.length - 1) * standardError,
  };
}

/** Mean of the tokens for which `has` holds. */
export function meanNats(nats: Nats, has: (token: number) => boolean = () => true): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < nats.length; i++)
    if (has(i)) {
      sum += nats[i]!;
      count++;
    }
  return sum / count;
}
