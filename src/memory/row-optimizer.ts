/**
 * The optimizer of table rows: touches only rows of the batch. One second moment a row, kept beside
 * the table; no first moment, no weight decay (a row that is not read does not move), and a learning
 * rate of its own, a multiple of the backbone's as in arXiv 2601.07372, appendix A. Knows rows as arrays
 * of numbers; not which n-gram they belong to or where they are kept.
 *
 *   s = mean of g^2 over all rows of the batch
 *   v <- v + mean(g^2) / s
 *   row <- row - lr g / sqrt(s v)
 *
 * This is Adagrad (Duchi et al. 2011) with one accumulator a row, on gradients in units of their batch's
 * own size. Each row has a learning rate of its own that falls with its own visits, about 1/sqrt(k) at the
 * k-th: an n-gram met once is remembered by a step of length lr, a row read at every step settles. Without
 * s, the first steps' gradients, many times larger than all later ones because the residual stream is
 * still small, stand in v for good and rows hardly move again. A moving average in v's place, at a quarter
 * of the rate, gained a tenth to two fifths less over the first 600 steps (docs/log.md).
 */

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
): void {
  let total = 0;
  for (let i = 0; i < count * width; i++) total += gradients[i]! * gradients[i]!;
  if (total === 0) return;
  const scale = total / (count * width);
  for (let row = 0, at = 0; row < count; row++, at += width) {
    let sum = 0;
    for (let i = at; i < at + width; i++) sum += gradients[i]! * gradients[i]!;
    if (sum === 0) continue;
    const v = moments[row]! + sum / width / scale;
    moments[row] = v;
    const step = lr / Math.sqrt(scale * v);
    for (let i = at; i < at + width; i++) values[i] = values[i]! - step * gradients[i]!;
  }
}
