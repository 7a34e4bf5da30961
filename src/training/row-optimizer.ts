/**
 * The optimizer of table rows: touches only rows of the batch. One second moment a row, kept beside
 * the table; no first moment, no weight decay (a row that is not read does not move), and a learning
 * rate of its own, five times the backbone's (arXiv 2601.07372, appendix A). Knows rows as arrays of
 * numbers; not which n-gram they belong to or where they are kept.
 *
 *   v <- v = 0 ? mean(g^2) : beta2 v + (1 - beta2) mean(g^2)
 *   row <- row - lr g / (sqrt(v) + eps)
 *
 * Starting v at the first gradient's square instead of 0 makes bias correction, and with it a step
 * counter a row, unnecessary: the first step of a row has length lr in every case.
 */

export interface RowOptimizerOptions {
  readonly beta2: number;
  readonly eps: number;
}

/** eps lies far below any real gradient: losses are means over thousands of tokens, so gradients of
 *  single rows are around 1e-7. */
export const rowOptimizerDefaults: RowOptimizerOptions = { beta2: 0.95, eps: 1e-12 };

/** Updates `count` rows of `width` values in place, with one moment each. A row whose gradient is all
 *  zero is left as it is. */
export function updateRows(
  {
    values,
    gradients,
    moments,
    count,
    width,
  }: {
    values: Float32Array;
    gradients: Float32Array;
    moments: Float32Array;
    count: number;
    width: number;
  },
  lr: number,
  { beta2, eps }: RowOptimizerOptions = rowOptimizerDefaults,
): void {
  for (let row = 0, at = 0; row < count; row++, at += width) {
    let sum = 0;
    for (let i = at; i < at + width; i++) sum += gradients[i]! * gradients[i]!;
    if (sum === 0) continue;
    const square = sum / width;
    const before = moments[row]!;
    const v = before === 0 ? square : beta2 * before + (1 - beta2) * square;
    // Below f32's smallest normal the moment would read as "never touched" next time.
    moments[row] = Math.max(v, 1.2e-38);
    const step = lr / (Math.sqrt(v) + eps);
    for (let i = at; i < at + width; i++) values[i] = values[i]! - step * gradients[i]!;
  }
}
