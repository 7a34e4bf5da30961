/** How many tokens a reader's pace allows. Knows times and rates only. */

/**
 * Tokens that `pace` (a second; Infinity: no limit) allows in `ms`. A frame can bear a time before the moment that
 * asked for it: no time, or less, is no token at any pace, where the bare product would be NaN.
 */
export function tokensIn(ms: number, pace: number): number {
  return ms <= 0 ? 0 : (ms / 1000) * pace;
}
