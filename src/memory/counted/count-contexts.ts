/**
 * Kneser-Ney counts: how often each context was followed by each id. One walk over sorted places; a row is told when
 * its last place has been met. Knows counts; no chances, no formats.
 *
 * Contexts of the longest n-grams count places. Shorter ones count the different ids that stand before the n-gram
 * (Kneser and Ney 1995), which says how many contexts an id fits into; where a document starts before it, places.
 */
import { commonDepth, type ContextOrder } from "./context-order.ts";

/** What followed one context. Arrays are views, valid during the visit. */
export interface ContextRow {
  /** Ids of the context: 0 is the row of all ids. */
  readonly depth: number;
  /** A place in the text whose `depth` ids before it are the context. */
  readonly place: number;
  /** Ids that followed, in no order, each once. */
  readonly successors: Uint32Array;
  /** Of each id, its count, by id. */
  readonly counts: Uint32Array;
}

/** Places that are left out: a fold. */
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
  const deepest = order.order - 1;
  const open = Array.from({ length: order.order }, () => new OpenRow(vocabSize));
  let last = -1;
  const close = (to: number): void => {
    for (let depth = deepest; depth >= to; depth--) {
      const row = open[depth]!;
      const isWhole = depths[last]! >= depth;
      if (isWhole) visit({ depth, place: last, successors: row.successors, counts: row.counts });
      if (depth > 0)
        for (const id of row.successors) open[depth - 1]!.add(id, isWhole ? 1 : row.counts[id]!);
      row.clear();
    }
  };
  for (const place of places) {
    if (except !== undefined && place >= except.from && place < except.to) continue;
    if (last !== -1) close(commonDepth(order, [last, place], deepest) + 1);
    open[deepest]!.add(text.tokens[place]!, 1);
    last = place;
  }
  if (last !== -1) close(0);
}

/** A row that still grows. */
class OpenRow {
  readonly counts: Uint32Array;
  #listed: Uint32Array;
  #size = 0;

  constructor(vocabSize: number) {
    this.counts = new Uint32Array(vocabSize);
    this.#listed = new Uint32Array(64);
  }

  get successors(): Uint32Array {
    return this.#listed.subarray(0, this.#size);
  }

  add(id: number, count: number): void {
    if (this.counts[id] === 0) {
      if (this.#size === this.#listed.length) {
        const grown = new Uint32Array(2 * this.#size);
        grown.set(this.#listed);
        this.#listed = grown;
      }
      this.#listed[this.#size++] = id;
    }
    this.counts[id]! += count;
  }

  clear(): void {
    for (let i = 0; i < this.#size; i++) this.counts[this.#listed[i]!] = 0;
    this.#size = 0;
  }
}
