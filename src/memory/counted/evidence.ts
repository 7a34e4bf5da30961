/** How much a counted memory says of itself: what a model is built for. Knows sizes only. */

/** Numbers that a context gives as evidence: log(1 + total) / 2, distinct / total, largest / total; or -1, 0, 0. */
export const EVIDENCE = 3;

/** Numbers of evidence a position, of n-grams of up to `order` ids. */
export function evidenceWidth(order: number): number {
  return EVIDENCE * (order - 1);
}
