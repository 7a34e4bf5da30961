/**
 * How far two readings of the same tokens are apart, and how sure that is: differences are taken token by token and
 * summed over blocks of neighbouring tokens, since the difficulty of a text comes in stretches and tokens are not
 * independent draws. The interval is Student's t over the blocks, at 95 %. Knows nats only.
 */
import { InvariantError } from "../../errors.ts";
import { studentT } from "../../numerics/index.ts";

/** Nats of each scored token, in the order of the text. */
export type Nats = Float32Array | Float64Array;

/** Nats a token; positive where the base is better. */
export interface Difference {
  readonly mean: number;
  /** Half the width of the interval; undefined where there are too few blocks to tell. */
  readonly plusMinus: number | undefined;
}

const MOST_BLOCKS = 100;
const LEAST_TOKENS = 256;

/** Blocks into which `numTokens` are cut, of equal length up to one token. */
export function numBlocksOf(numTokens: number): number {
  return Math.min(MOST_BLOCKS, Math.max(1, Math.floor(numTokens / LEAST_TOKENS)));
}

/**
 * Mean of `nats` - `base` over the tokens for which `has` holds (default: all). Blocks may hold different numbers of
 * them; the mean is then a ratio of two sums, and its variance that of the ratio (Cochran 1977, eq. 6.4).
 */
export function pairedDifference(
  nats: Nats,
  base: Nats,
  has: (token: number) => boolean = () => true,
): Difference {
  if (nats.length !== base.length)
    throw new InvariantError(`paired readings of ${nats.length} and ${base.length} tokens`);
  const numBlocks = numBlocksOf(nats.length);
  const sums = new Float64Array(numBlocks);
  const counts = new Float64Array(numBlocks);
  for (let i = 0; i < nats.length; i++) {
    if (!has(i)) continue;
    const block = Math.floor((i * numBlocks) / nats.length);
    sums[block] = sums[block]! + nats[i]! - base[i]!;
    counts[block] = counts[block]! + 1;
  }
  const count = total(counts);
  const mean = total(sums) / count;
  const used = counts.reduce((n, inBlock) => n + Number(inBlock > 0), 0);
  if (used < 2) return { mean, plusMinus: undefined };
  let squares = 0;
  for (let b = 0; b < numBlocks; b++) squares += (sums[b]! - mean * counts[b]!) ** 2;
  const deviation = Math.sqrt((squares * used) / (used - 1)) / count;
  return { mean, plusMinus: studentT(used - 1) * deviation };
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

function total(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x, 0);
}
