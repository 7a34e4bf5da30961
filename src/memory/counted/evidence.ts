/**
 * The evidence that counted memory gives beside its chances: which numbers, and how many. A model's sizes depend on it.
 * Knows no counts.
 */

/** Evidence of a context: log(1 + total) / 2, distinct / total, largest / total; or -1, 0, 0 if it never occurred. */
export const EVIDENCE = 3;

/** Evidence values per position, for n-grams of up to `order` ids. */
export function evidenceWidth(order: number): number {
  return EVIDENCE * (order - 1);
}
