/**
 * What restricts the next token besides chance: a set of ids that somebody else computes, and ids that may not come yet.
 * Knows ids and numbers; not grammars.
 */
import { RequestError } from "../errors.ts";

export interface Constraint {
  /**
   * Which ids may follow `ids`, the tokens generated so far: one bit an id, the lowest first. Asked for while the engine
   * computes. A rejection fails the generation.
   */
  allowed(ids: readonly number[]): Promise<Int32Array>;
}

/**
 * A copy of `logits` [V] with -Infinity for ids that may not come: those without a bit in `allowed`, and `banned` unless
 * nothing else is left. Throws `RequestError` where nothing may come at all.
 */
export function restricted(
  logits: Float32Array,
  { allowed, banned = [] }: { allowed?: Int32Array | undefined; banned?: readonly number[] },
): Float32Array {
  const left = logits.slice();
  if (allowed !== undefined)
    for (let id = 0; id < left.length; id++)
      if (((allowed[id >>> 5] ?? 0) & (1 << (id & 31))) === 0) left[id] = -Infinity;
  if (!anyLeft(left)) throw new RequestError("the grammar of this request lets no token follow");
  const kept = banned.map((id) => left[id]!);
  for (const id of banned) left[id] = -Infinity;
  if (!anyLeft(left)) for (const [i, id] of banned.entries()) left[id] = kept[i]!;
  return left;
}

function anyLeft(logits: Float32Array): boolean {
  for (const x of logits) if (x > -Infinity) return true;
  return false;
}
