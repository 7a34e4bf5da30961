/**
 * Kneser-Ney counts: how often each context was followed by each id. One pass over sorted positions; a row is visited
 * after its last position. Knows counts; no probabilities, no formats.
 *
 * Contexts of the longest n-grams count positions. Shorter ones count the different ids before the n-gram (Kneser and
 * Ney 1995), that is, in how many contexts an id occurs. At the start of a document they count positions.
 */
import { commonDepth, type ContextOrder } from "./context-order.ts";

/** The successors of one context. Valid only during the visit. */
export interface ContextRow {
  /** Number of ids in the context. 0: the row without context. */
  readonly depth: number;
  /** A position in the text; the `depth` ids before it are the context. */
  readonly place: number;
  /** How many different ids followed, and which: the first `size`, by falling count, then by id. */
  readonly size: number;
  readonly successors: Uint32Array;
  /** [V] How often each id followed. */
  readonly counts: Uint32Array;
  readonly total: number;
}

/** The positions to leave out: a fold. */
export interface PlaceRange {
  readonly from: number;
  readonly to: number;
}

/** Calls `visit` for every context that was met outside `except`, longer ones before the shorter that they end in. */
export function countContexts(
  order: ContextOrder,
  { vocabSize, except }: { vocabSize: number; except?: PlaceRange | undefined },
  visit: (row: ContextRow) => void,
): void {
  const { places, depths, text } = order;
  const { tokens } = text;
  const deepest = order.order - 1;
  const open = Array.from({ length: order.order }, (_, depth) => new OpenRow(depth, vocabSize));
  const longest = open[deepest]!;
  const close = (last: number, to: number): void => {
    for (let depth = deepest; depth >= to; depth--) {
      const row = open[depth]!;
      const isWhole = depths[last]! >= depth;
      if (depth > 0) row.countInto(open[depth - 1]!, isWhole);
      if (isWhole) {
        row.place = last;
        row.sort();
        visit(row);
      }
      row.clear();
    }
  };
  const [from, to] = except === undefined ? [0, 0] : [except.from, except.to];
  let last = -1;
  for (let i = 0; i < places.length; i++) {
    const place = places[i]!;
    if (place >= from && place < to) continue;
    if (last !== -1) {
      const common = commonDepth(order, last, place, deepest);
      if (common < deepest) close(last, common + 1);
    }
    longest.add(tokens[place]!, 1);
    last = place;
  }
  if (last !== -1) close(last, 0);
}

/** Up to this number of successors insertion sort is fastest. */
const few = 24;

/** A row that is still being counted. */
class OpenRow implements ContextRow {
  readonly depth: number;
  readonly counts: Uint32Array;
  successors = new Uint32Array(64);
  size = 0;
  total = 0;
  place = -1;

  constructor(depth: number, vocabSize: number) {
    this.depth = depth;
    this.counts = new Uint32Array(vocabSize);
  }

  add(id: number, count: number): void {
    const before = this.counts[id]!;
    if (before === 0) {
      if (this.size === this.successors.length) {
        const grown = new Uint32Array(2 * this.size);
        grown.set(this.successors);
        this.successors = grown;
      }
      this.successors[this.size++] = id;
    }
    this.counts[id] = before + count;
    this.total += count;
  }

  /** Counts each successor once, or with its count if there is no id before the n-gram. */
  countInto(shorter: OpenRow, isWhole: boolean): void {
    for (let i = 0; i < this.size; i++) {
      const id = this.successors[i]!;
      shorter.add(id, isWhole ? 1 : this.counts[id]!);
    }
  }

  sort(): void {
    const { successors, counts, size } = this;
    if (size > few) {
      // Exact for counts of 32 bits and ids of 21.
      const keys = new Float64Array(size);
      for (let i = 0; i < size; i++)
        keys[i] = (2 ** 32 - 1 - counts[successors[i]!]!) * 2 ** 21 + successors[i]!;
      keys.sort();
      for (let i = 0; i < size; i++) successors[i] = keys[i]! % 2 ** 21;
      return;
    }
    for (let i = 1; i < size; i++) {
      const id = successors[i]!;
      const count = counts[id]!;
      let at = i;
      for (; at > 0; at--) {
        const other = successors[at - 1]!;
        if (counts[other]! > count || (counts[other] === count && other < id)) break;
        successors[at] = other;
      }
      successors[at] = id;
    }
  }

  clear(): void {
    for (let i = 0; i < this.size; i++) this.counts[this.successors[i]!] = 0;
    this.size = 0;
    this.total = 0;
  }
}
