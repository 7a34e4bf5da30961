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

/** A vector that is added to the residual stream before a layer, wherever one of the keys ends. */
export interface VectorEdit {
  readonly layerId: number;
  /** Whole n-grams of 1 to `MAX_KEY` ids. */
  readonly keys: readonly (readonly number[])[];
  /** [D], bfloat16 numbers. */
  readonly vector: Float32Array;
}

/** The model that adds vectors to its stream. */
export interface VectorReader {
  /** `markOf` its weights. */
  readonly mark: string;
  /** Numbers of its stream at a position. */
  readonly width: number;
  readonly numLayers: number;
}

/** What a fact's subject is given, and what else was taught of it: the vectors were found for all of these facts together. */
export interface SubjectEdit {
  readonly vectors: readonly VectorEdit[];
  /** Ids of the facts, in the same scope. */
  readonly factIds: readonly string[];
  /** Of the weights for which they were found (`markOf`); they say nothing to others. */
  readonly mark: string;
}
