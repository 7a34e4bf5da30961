/**
 * The places of a text, sorted by the ids before them: places with the same context lie side by side, whatever its
 * length, so one walk counts what followed each context. Knows ids and documents; no counts, no formats.
 *
 * A radix sort from the least significant key on: as many linear passes as an n-gram has ids.
 */
import { InvalidConfigError } from "../../errors.ts";

/** A text to count: token ids and where documents start in it. */
export interface CountedText {
  readonly tokens: Uint16Array | Uint32Array;
  /** Ascending. A document's first id is context and never a successor. None: only whole n-grams count. */
  readonly starts: Uint32Array;
}

export interface ContextOrder {
  readonly text: CountedText;
  /** Ids of the longest n-grams. */
  readonly order: number;
  /** Places of the text, sorted by (id before, id before that, …, id at the place). */
  readonly places: Uint32Array;
  /** Ids of its document before each place, `order - 1` at most. */
  readonly depths: Uint8Array;
}

/** The longest n-grams that are counted. */
export const MAX_ORDER = 16;

const uncounted = 255;

/** Sorts every place of the text that has something before it. Throws `InvalidConfigError` for an order or ids out of range. */
export function sortByContext(
  text: CountedText,
  { order, vocabSize }: { order: number; vocabSize: number },
): ContextOrder {
  if (!Number.isInteger(order) || order < 2 || order > MAX_ORDER)
    throw new InvalidConfigError(`n-grams of 2..${MAX_ORDER} ids can be counted, got ${order}`);
  const { tokens } = text;
  checkIds(tokens, vocabSize);
  const depths = depthsOf(text, order - 1);
  let places = new Uint32Array(depths.length);
  let numPlaces = 0;
  for (const [at, depth] of depths.entries()) if (depth !== uncounted) places[numPlaces++] = at;
  places = places.subarray(0, numPlaces);
  let sorted = new Uint32Array(numPlaces);
  const ends = new Uint32Array(vocabSize + 2);
  for (let pass = 0; pass < order; pass++) {
    // The id at the place first, then those before it, the farthest first.
    const back = pass === 0 ? 0 : order - pass;
    ends.fill(0);
    // Where the document is too short the key is 0, which sorts before all ids.
    for (const at of places) ends[(depths[at]! >= back ? tokens[at - back]! + 1 : 0) + 1]!++;
    for (let key = 1; key < ends.length; key++) ends[key]! += ends[key - 1]!;
    for (const at of places) sorted[ends[depths[at]! >= back ? tokens[at - back]! + 1 : 0]!++] = at;
    [places, sorted] = [sorted, places];
  }
  return { text, order, places, depths };
}

/** How many ids of their contexts two places have in common, `depth` at most. */
export function commonDepth(
  { text: { tokens }, depths }: ContextOrder,
  [one, other]: readonly [number, number],
  depth: number,
): number {
  for (let back = 1; back <= depth; back++) {
    const [has, hasOther] = [depths[one]! >= back, depths[other]! >= back];
    if (has !== hasOther || (has && tokens[one - back] !== tokens[other - back])) return back - 1;
  }
  return depth;
}

function depthsOf({ tokens, starts }: CountedText, most: number): Uint8Array {
  const depths = new Uint8Array(tokens.length);
  let begin = 0;
  let next = 0;
  for (let at = 0; at < depths.length; at++) {
    if (starts[next] === at) {
      begin = at;
      next++;
      depths[at] = uncounted;
    } else if (next > 0) depths[at] = Math.min(most, at - begin);
    else depths[at] = at < most ? uncounted : most;
  }
  return depths;
}

function checkIds(tokens: ArrayLike<number>, vocabSize: number): void {
  for (let at = 0; at < tokens.length; at++)
    if (tokens[at]! >= vocabSize)
      throw new InvalidConfigError(
        `token ${tokens[at]} at place ${at} is outside the vocabulary 0..${vocabSize - 1}`,
      );
}
