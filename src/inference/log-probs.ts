/**
 * Log-probabilities of tokens under the model itself: of the raw logits, before any bias, penalty or
 * temperature. Knows numbers and ids.
 */
export interface TokenLogProb {
  readonly id: number;
  /** ln p */
  readonly logProb: number;
}

export interface TokenLogProbs extends TokenLogProb {
  /** The likeliest tokens, likeliest first; of equals the smaller id first. */
  readonly top: readonly TokenLogProb[];
}

/** ln p of `id`, and of the `top` likeliest tokens, given logits [V]. */
export function logProbsOf(
  logits: Float32Array,
  { id, top }: { id: number; top: number },
): TokenLogProbs {
  const best = likeliest(logits, top);
  // By index: `for … of` over an array of numbers takes twice the time.
  let highest = -Infinity;
  for (let i = 0; i < logits.length; i++) if (logits[i]! > highest) highest = logits[i]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - highest);
  const norm = highest + Math.log(sum);
  const of = (token: number): TokenLogProb => ({ id: token, logProb: logits[token]! - norm });
  return { ...of(id), top: best.map(of) };
}

/** Ids of the `count` largest values, by insertion: `count` is small beside the vocabulary. */
function likeliest(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
  if (count === 0) return ids;
  for (let id = 0; id < logits.length; id++) {
    const x = logits[id]!;
    if (ids.length === count && x <= logits[ids[count - 1]!]!) continue;
    let at = ids.length;
    while (at > 0 && logits[ids[at - 1]!]! < x) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
  }
  return ids;
}
