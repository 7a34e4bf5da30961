/**
 * The positions of a text, sorted by the ids before them. Positions with the same context are neighbours, for every
 * context length, so one pass counts what followed each context. Knows ids and documents; no counts, no formats.
 *
 * Positions are grouped by the id before them. Each group is sorted alone, because it then fits into the cache.
 */
import { InvalidConfigError } from "../../errors.ts";

/** A text to count: token ids and where documents start in it. */
export interface CountedText {
  readonly tokens: Uint16Array | Uint32Array;
  /** Ascending. A document's first id is only context, never a successor. Empty: only complete n-grams are counted. */
  readonly starts: Uint32Array;
}

/** Positions to leave out: a fold. */
export interface PlaceRange {
  readonly from: number;
  readonly to: number;
}

export interface ContextOrder {
  readonly text: CountedText;
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  /** Positions in the text, sorted by (id before, the one before that, …, id at the position). */
  readonly places: Uint32Array;
  /** Number of ids of the same document before each position, at most `order - 1`. */
  readonly depths: Uint8Array;
}

/** The longest n-grams that are counted. */
export const MAX_ORDER = 16;

const uncounted = 255;

/** Bits of a key that one pass of the sort uses. */
const DIGIT_BITS = 8;
/** Up to this length insertion sort is fastest. */
const few = 24;

/** Sorts all positions of the text that have an id before them. Throws `InvalidConfigError` for an order or ids out of range. */
export function sortByContext(
  text: CountedText,
  { order, vocabSize }: { order: number; vocabSize: number },
): ContextOrder {
  if (!Number.isInteger(order) || order < 2 || order > MAX_ORDER)
    throw new InvalidConfigError(`n-grams of 2..${MAX_ORDER} ids can be counted, got ${order}`);
  const { tokens } = text;
  checkIds(tokens, vocabSize);
  const depths = depthsOf(text, order - 1);
  const { places, ends } = groupByIdBefore(tokens, depths, vocabSize);
  // The id at the position first, then those before it, the farthest first.
  const backs = [0, ...Array.from({ length: order - 2 }, (_, i) => order - 1 - i)];
  const sorter = new GroupSorter({ tokens, depths, vocabSize });
  for (let id = 0; id < vocabSize; id++)
    sorter.sort(places.subarray(id === 0 ? 0 : ends[id - 1]!, ends[id]!), backs);
  return { text, order, places, depths };
}

/** All positions with an id before them, grouped by that id, and the end of each group. */
function groupByIdBefore(
  tokens: ArrayLike<number>,
  depths: Uint8Array,
  vocabSize: number,
): { places: Uint32Array; ends: Uint32Array } {
  const ends = new Uint32Array(vocabSize + 1);
  let numPlaces = 0;
  for (let at = 0; at < depths.length; at++)
    if (depths[at] !== uncounted) {
      ends[tokens[at - 1]! + 1]!++;
      numPlaces++;
    }
  for (let id = 1; id <= vocabSize; id++) ends[id]! += ends[id - 1]!;
  const places = new Uint32Array(numPlaces);
  for (let at = 0; at < depths.length; at++)
    if (depths[at] !== uncounted) places[ends[tokens[at - 1]!]!++] = at;
  return { places, ends };
}

/** Sorts groups of positions by the ids near them, and reuses its scratch arrays. */
class GroupSorter {
  readonly #tokens: ArrayLike<number>;
  readonly #depths: Uint8Array;
  /** Bits of an id + 1. */
  readonly #bits: number;
  readonly #ends = new Uint32Array((1 << DIGIT_BITS) + 1);
  #keys = new Uint32Array(0);
  #ranks = new Uint32Array(0);
  #others = new Uint32Array(0);
  #group = new Uint32Array(0);

  constructor(of: { tokens: ArrayLike<number>; depths: Uint8Array; vocabSize: number }) {
    this.#tokens = of.tokens;
    this.#depths = of.depths;
    this.#bits = 32 - Math.clz32(of.vocabSize);
  }

  /** Sorts in place by the ids `backs` before each position, the last of them first. */
  sort(places: Uint32Array, backs: readonly number[]): void {
    const { length } = places;
    if (length < 2) return;
    if (this.#keys.length < length) {
      const room = Math.max(1024, 2 * length);
      this.#keys = new Uint32Array(room);
      this.#ranks = new Uint32Array(room);
      this.#others = new Uint32Array(room);
      this.#group = new Uint32Array(room);
    }
    const [keys, group] = [this.#keys, this.#group];
    group.set(places);
    for (let i = 0; i < length; i++) this.#ranks[i] = i;
    for (const back of backs) {
      // If the document is too short the key is 0, which sorts before all ids.
      for (let i = 0; i < length; i++) {
        const at = group[i]!;
        keys[i] = this.#depths[at]! >= back ? this.#tokens[at - back]! + 1 : 0;
      }
      for (let shift = 0; shift < this.#bits; shift += DIGIT_BITS) this.#pass(length, shift);
    }
    const ranks = this.#ranks;
    for (let i = 0; i < length; i++) places[i] = group[ranks[i]!]!;
  }

  /** Sorts the ranks by one digit of their keys. Stable. */
  #pass(length: number, shift: number): void {
    const [keys, ranks, others, ends] = [this.#keys, this.#ranks, this.#others, this.#ends];
    const mask = (1 << DIGIT_BITS) - 1;
    if (length <= few) {
      for (let i = 1; i < length; i++) {
        const rank = ranks[i]!;
        const digit = (keys[rank]! >>> shift) & mask;
        let at = i;
        for (; at > 0 && ((keys[ranks[at - 1]!]! >>> shift) & mask) > digit; at--)
          ranks[at] = ranks[at - 1]!;
        ranks[at] = rank;
      }
      return;
    }
    ends.fill(0);
    for (let i = 0; i < length; i++) ends[((keys[i]! >>> shift) & mask) + 1]!++;
    for (let digit = 1; digit <= mask; digit++) ends[digit]! += ends[digit - 1]!;
    for (let i = 0; i < length; i++) {
      const rank = ranks[i]!;
      others[ends[(keys[rank]! >>> shift) & mask]!++] = rank;
    }
    this.#ranks = others;
    this.#others = ranks;
  }
}

/** The number of context ids that two positions have in common, at most `depth`. */
export function commonDepth(
  { text: { tokens }, depths }: ContextOrder,
  one: number,
  other: number,
  depth: number,
): number {
  const [deep, deepOther] = [depths[one]!, depths[other]!];
  for (let back = 1; back <= depth; back++) {
    if (deep < back || deepOther < back) return deep < back && deepOther < back ? depth : back - 1;
    if (tokens[one - back] !== tokens[other - back]) return back - 1;
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
