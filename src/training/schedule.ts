/**
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
