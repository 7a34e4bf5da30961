/** What teaching a fact writes. Knows ids; not text, models or files. */

/** The longest key, in ids. */
export const MAX_KEY = 32;

/**
 * A wording: each id from index `from` on is taught to follow the ids before it, the last `MAX_KEY` of them. So every
 * key begins with the wording or is `MAX_KEY` ids long: no shorter piece of it is a key.
 */
export interface SuccessorEdit {
  readonly ids: readonly number[];
  readonly from: number;
}
