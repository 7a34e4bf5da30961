/**
 * What changes over a run: the learning rate, and how often the memory is there.
 *
 * Learning rate by step: linear warm-up, then linear decay to zero. Decay to zero rather than to a
 * tenth of the peak because runs here see few tokens a parameter, where it is the better of the two
 * (arXiv 2502.15938).
 */

export interface Schedule {
  readonly peak: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/** Factor-free learning rate of `step` (0-based): never 0, or a step would be wasted. */
export function learningRate({ peak, warmupSteps, totalSteps }: Schedule, step: number): number {
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  return (peak * (totalSteps - step)) / Math.max(1, totalSteps - warmupSteps);
}

/**
 * The share of a step's sequences that are trained with the memory off. A memory that is there from the
 * start explains what follows what, so the backbone has no reason to learn to look at the token before;
 * but that is the first half of an induction head, which continues what stands earlier in the same text
 * (arXiv 2209.11895), and a table cannot replace it (docs/log.md, "why the gain fades").
 */
export function memoryOffShare(fadeIn: number, progress: number): number {
  return progress >= fadeIn ? 0 : 1 - progress / fadeIn;
}
