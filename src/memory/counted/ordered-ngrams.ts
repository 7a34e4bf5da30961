/**
 * N-grams in the order in which contexts are counted: by the id before, the one before that, …, then by the last id; a
 * context that a document's start cuts off comes before the longer ones that it ends. The seam between what has n-grams
 * (a sorted text, files of counts, several of them together) and what counts them. Knows no texts, no files, no rows.
 */
import { commonDepth, type ContextOrder, type PlaceRange } from "./context-order.ts";

/** A cursor. Its fields are of the n-gram that `next` moved to. */
export interface OrderedNgrams {
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  /** Moves to the next n-gram. False behind the last one. */
  next(): boolean;
  /** The context: the `depth` ids before `place` in `ids`. `ids` stays as it is until the next but one `next`. */
  readonly depth: number;
  readonly place: number;
  readonly ids: ArrayLike<number>;
  /** Ids that the context has in common with the one before, nearest first; `order - 1` if it is the same context. */
  readonly common: number;
  /** The id behind the context, and how often it followed. N-grams may come several times. */
  readonly id: number;
  readonly count: number;
}

/** The ids before the last, nearest first. */
export function contextOf({ ids, place, depth }: OrderedNgrams): number[] {
  return Array.from({ length: depth }, (_, i) => ids[place - i - 1]!);
}

/** The n-grams of a sorted text, one for each position outside `except`. */
export function ngramsOf(sorted: ContextOrder, except?: PlaceRange): OrderedNgrams {
  return new TextNgrams(sorted, except ?? { from: 0, to: 0 });
}

class TextNgrams implements OrderedNgrams {
  readonly order: number;
  readonly ids: ArrayLike<number>;
  readonly count = 1;
  place = -1;
  depth = 0;
  common = 0;
  id = 0;
  readonly #sorted: ContextOrder;
  readonly #except: PlaceRange;
  #next = 0;

  constructor(sorted: ContextOrder, except: PlaceRange) {
    this.order = sorted.order;
    this.ids = sorted.text.tokens;
    this.#sorted = sorted;
    this.#except = except;
  }

  next(): boolean {
    const { places, depths, text, order } = this.#sorted;
    const { from, to } = this.#except;
    let place: number;
    do {
      if (this.#next === places.length) return false;
      place = places[this.#next++]!;
    } while (place >= from && place < to);
    this.common = this.place === -1 ? 0 : commonDepth(this.#sorted, this.place, place, order - 1);
    this.place = place;
    this.depth = depths[place]!;
    this.id = text.tokens[place]!;
    return true;
  }
}

/** Compares by order. */
export function compareNgrams(one: OrderedNgrams, other: OrderedNgrams): number {
  const depth = Math.min(one.depth, other.depth);
  for (let back = 1; back <= depth; back++) {
    const difference = one.ids[one.place - back]! - other.ids[other.place - back]!;
    if (difference !== 0) return difference;
  }
  return one.depth - other.depth || one.id - other.id;
}
