/**
 * Ablation of counts: contexts that read as if they had never occurred, so that shorter ones speak for them. Knows ids;
 * no tables.
 */
import { RequestError } from "../../errors.ts";

/** Counts that are not read: everything that any of the lists names. */
export interface CountsAblation {
  /** Lengths of n-grams, from 2: what followed 1, 2, … ids. */
  readonly counts?: readonly number[];
  /** What followed exactly these ids. */
  readonly contexts?: readonly (readonly number[])[];
}

/** A context that is looked up: the `depth` ids before `place`. */
export interface ContextAt {
  readonly ids: ArrayLike<number>;
  readonly place: number;
  readonly depth: number;
}

/** Whether a context is named. Throws `RequestError` for what counts of up to `order` ids do not have. */
export function contextsNamed(
  { counts = [], contexts = [] }: CountsAblation,
  { order, vocabSize }: { order: number; vocabSize: number },
): (at: ContextAt) => boolean {
  const wrong = counts.find((length) => length < 2 || length > order);
  if (wrong !== undefined)
    throw new RequestError(
      `there are no counts of ${wrong} to take away: n-grams of 2..${order} ids were counted`,
    );
  for (const ids of contexts)
    if (ids.length === 0 || ids.length >= order || ids.some((id) => id < 0 || id >= vocabSize))
      throw new RequestError(
        `there is no context [${ids.join(", ")}] to take away: counts are kept behind 1..${order - 1} ids of 0..${vocabSize - 1}`,
      );
  return ({ ids, place, depth }) =>
    counts.includes(depth + 1) ||
    contexts.some(
      (of) => of.length === depth && of.every((id, i) => id === ids[place - depth + i]),
    );
}
