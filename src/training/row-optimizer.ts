/**
 * The optimizer of table rows: touches only rows of the batch. One second moment a row, kept beside
 * the table; no first moment, no weight decay (a row that is not read does not move), and a learning
 * rate of its own, five times the backbone's (arXiv 2601.07372, appendix A). Knows rows as arrays of
 * numbers; not which n-gram they belong to or where they are kept.
 *
 *   v <- v + mean(g^2)
 *   row <- row - lr g / (sqrt(v) + eps)
 *
 * This is Adagrad (Duchi et al. 2011) with one accumulator a row: each row has a learning rate of its own
 * that falls with its own visits, 1/sqrt(k) at the k-th. A row's first step has length lr, so an n-gram
 * met once is remembered; a row read at every step settles. With a moving average in v's place the step
 * never shrinks and frequent rows walk at random: the memory's gain grew for 450 steps and was gone after
 * 1,000 (docs/log.md).
 */

/** Far below any real gradient: losses are means over thousands of tokens, so gradients of single rows
 *  are around 1e-7. */
const eps = 1e-12;

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
  for (let row = 0, at = 0; row < count; row++, at += width) {
    let sum = 0;
    for (let i = at; i < at + width; i++) sum += gradients[i]! * gradients[i]!;
    if (sum === 0) continue;
    const v = moments[row]! + sum / width;
    moments[row] = v;
    const step = lr / (Math.sqrt(v) + eps);
    for (let i = at; i < at + width; i++) values[i] = values[i]! - step * gradients[i]!;
  }
}
