/**
 * The optimizer of table rows: changes only rows of the batch. Each row has one second moment, which is kept beside
 * the table. There is no first moment and no weight decay: a row that is not read does not change. The learning rate
 * is a multiple of the backbone's, as in arXiv 2601.07372, appendix A. Knows rows as arrays of numbers; not their
 * n-grams, nor where they are kept.
 *
 *   s = mean of g^2 over all rows of the batch
 *   v <- v + mean(g^2) / s
 *   row <- row - lr g / sqrt(s v)
 *
 * This is Adagrad (Duchi et al. 2011) with one accumulator a row, on gradients divided by the root mean square of
 * their batch. The learning rate of a row falls with its visits, at the k-th about as 1/sqrt(k): an n-gram that is
 * met once gets a step of length lr, and a row that is read at every step settles. The first gradients of a run are
 * many times larger than all later ones, because the residual stream is still small. Without s they would stay in v
 * for good, and rows would hardly move again. A moving average instead of v, at a quarter of the rate, gained a tenth
 * to two fifths less over the first 600 steps (docs/log.md).
 */

/**
 * Updates `count` rows of `width` values in place, with one moment each. A row whose gradient is zero stays as it is.
 */
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
