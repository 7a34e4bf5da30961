/**
 * Passages of a corpus for the place where a text goes on: by what the two have in common. All places are looked for in one reading
 * of the corpus, which an index would save. Knows ids.
 */

/** For one place: the passage that has most in common with what is before it, and the one around the longest exact match. */
export interface Passages {
  readonly overlap: Int32Array;
  readonly exact: Int32Array;
  /** Ids of that match. */
  readonly matched: number;
}

/** Longest match that is told from a longer one. */
const LONGEST = 64;

/**
 * `before`: the ids before each place. Overlap: three ids in a row that both have, each kind once, weighed by how few passages have
 * it (logarithm); passages of `size` ids begin every half of that. Exact: the longest end of `before`, 3 ids at least,
 * with a third of the passage before it and what follows; without a match as by overlap.
 */
export function findPassages(
  corpus: Int32Array,
  before: readonly ArrayLike<number>[],
  { size, vocabSize }: { size: number; vocabSize: number },
): Passages[] {
  const keyOf = (ids: ArrayLike<number>, at: number): number =>
    (ids[at]! * vocabSize + ids[at + 1]!) * vocabSize + ids[at + 2]!;
  /** Places that ask for three ids, and the passages that have them, ascending. */
  const asked = new Map<number, { readonly places: number[]; readonly passages: number[] }>();
  const ends = new Map<number, number[]>();
  const filter = new Uint8Array(1 << 22);
  const bitOf = (key: number): number => key % filter.length;
  for (const [place, ids] of before.entries()) {
    for (let at = 0; at + 3 <= ids.length; at++) {
      const key = keyOf(ids, at);
      filter[bitOf(key)] = 1;
      const found = asked.get(key) ?? { places: [], passages: [] };
      if (found.places.at(-1) !== place) found.places.push(place);
      asked.set(key, found);
    }
    const key = keyOf(ids, ids.length - 3);
    ends.set(key, [...(ends.get(key) ?? []), place]);
  }
  const half = size >> 1;
  const longest = before.map(() => ({ end: 0, length: 0 }));
  for (let at = 0; at + 3 <= corpus.length; at++) {
    const key = keyOf(corpus, at);
    if (filter[bitOf(key)] === 0) continue;
    const found = asked.get(key);
    if (found === undefined) continue;
    const last = Math.floor(at / half);
    for (const passage of at + 3 <= (last + 1) * half ? [last - 1, last] : [last])
      if (passage >= 0 && (found.passages.at(-1) ?? -1) < passage) found.passages.push(passage);
    for (const place of ends.get(key) ?? []) {
      const length = common(corpus, at + 3, before[place]!);
      if (length > longest[place]!.length) longest[place] = { end: at + 3, length };
    }
  }
  const numPassages = Math.ceil(corpus.length / half);
  const scores = before.map(() => new Map<number, number>());
  for (const { places, passages } of asked.values()) {
    const weight = Math.log(numPassages / Math.max(1, passages.length));
    for (const place of places)
      for (const passage of passages)
        scores[place]!.set(passage, (scores[place]!.get(passage) ?? 0) + weight);
  }
  const from = (start: number): Int32Array => {
    const begin = Math.max(0, Math.min(start, corpus.length - size));
    return corpus.subarray(begin, begin + size);
  };
  return scores.map((of, place) => {
    let best = { passage: 0, score: 0 };
    for (const [passage, score] of of) if (score > best.score) best = { passage, score };
    const { end, length } = longest[place]!;
    const overlap = from(best.passage * half);
    return {
      overlap,
      exact: length === 0 ? overlap : from(end - Math.floor(size / 3)),
      matched: length,
    };
  });
}

/** How many ids before index `end` of the corpus are the last of `ids`. */
function common(corpus: Int32Array, end: number, ids: ArrayLike<number>): number {
  let length = 0;
  while (
    length < Math.min(LONGEST, ids.length, end) &&
    corpus[end - 1 - length] === ids[ids.length - 1 - length]
  )
    length++;
  return length;
}
