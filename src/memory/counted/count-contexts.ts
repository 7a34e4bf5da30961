/**
 * Kneser-Ney counts: how often each context was followed by each id. One pass over n-grams in order; a row is visited
 * after its last n-gram. Knows counts; no probabilities, no formats.
 *
 * Contexts of the longest n-grams count positions. Shorter ones count the different ids before the n-gram (Kneser and
 * Ney 1995), that is, in how many contexts an id occurs. At the start of a document they count positions.
 */
import type { OrderedNgrams } from "./ordered-ngrams.ts";

/** The successors of one context. Valid only during the visit. */
export interface ContextRow {
  /** Number of ids in the context. 0: the row without context. */
  readonly depth: number;
  /** The context: the `depth` ids before `place` in `ids`. */
  readonly ids: ArrayLike<number>;
  readonly place: number;
  /** How many different ids followed, and which: the first `size`, by falling count, then by id. */
  readonly size: number;
  readonly successors: Uint32Array;
  /** [V] How often each id followed, unless there is only one: it followed `total` times. */
  readonly counts: Uint32Array;
  readonly total: number;
}

/** Counts n-grams in their order, and calls `visit` for every context, longer ones before the shorter that they end in. */
export class ContextCounter {
  readonly #open: readonly OpenRow[];
  readonly #longest: OpenRow;
  readonly #visit: (row: ContextRow) => void;
  /** How many ids the last n-gram has before its last one. */
  #wholeTo = 0;
  #isEmpty = true;

  constructor(
    { order, vocabSize }: { order: number; vocabSize: number },
    visit: (row: ContextRow) => void,
  ) {
    this.#open = Array.from({ length: order }, (_, depth) => new OpenRow(depth, vocabSize));
    this.#longest = this.#open.at(-1)!;
    this.#visit = visit;
  }

  /** Counts the present n-gram of a cursor, which has no smaller one behind it. */
  add(ngram: OrderedNgrams): void {
    const { common } = ngram;
    const longest = this.#longest;
    if (common < longest.depth && !this.#isEmpty) this.#close(common + 1);
    this.#isEmpty = false;
    longest.add(ngram.id, ngram.count);
    longest.ids = ngram.ids;
    longest.place = ngram.place;
    this.#wholeTo = ngram.depth;
  }

  /** Visits what is still open. Call after the last n-gram. */
  finish(): void {
    if (!this.#isEmpty) this.#close(0);
  }

  #close(to: number): void {
    const { ids, place } = this.#longest;
    const [open, wholeTo] = [this.#open, this.#wholeTo];
    for (let depth = open.length - 1; depth >= to; depth--) {
      const row = open[depth]!;
      const isWhole = wholeTo >= depth;
      if (depth > 0) row.countInto(open[depth - 1]!, isWhole);
      if (isWhole) {
        row.ids = ids;
        row.place = place;
        if (row.size > 1) row.sort();
        this.#visit(row);
      }
      row.clear();
    }
  }
}

/** Up to this number of successors insertion sort is fastest. */
const few = 24;

/** A row that is still being counted. Most have one successor: `counts` is not touched before the second. */
class OpenRow implements ContextRow {
  readonly depth: number;
  readonly counts: Uint32Array;
  successors = new Uint32Array(64);
  size = 0;
  total = 0;
  ids: ArrayLike<number> = [];
  place = -1;
  #keys = new Float64Array(64);

  constructor(depth: number, vocabSize: number) {
    this.depth = depth;
    this.counts = new Uint32Array(vocabSize);
  }

  add(id: number, count: number): void {
    const [successors, size] = [this.successors, this.size];
    if (size < 2) {
      if (size === 0) {
        successors[0] = id;
        this.size = 1;
        this.total = count;
        return;
      }
      const first = successors[0]!;
      if (first === id) {
        this.total += count;
        return;
      }
      this.counts[first] = this.total;
    }
    const before = this.counts[id]!;
    if (before === 0) this.#addSuccessor(id);
    this.counts[id] = before + count;
    this.total += count;
  }

  #addSuccessor(id: number): void {
    if (this.size === this.successors.length) {
      const grown = new Uint32Array(2 * this.size);
      grown.set(this.successors);
      this.successors = grown;
      this.#keys = new Float64Array(2 * this.size);
    }
    this.successors[this.size++] = id;
  }

  /** Counts each successor once, or with its count if there is no id before the n-gram. */
  countInto(shorter: OpenRow, isWhole: boolean): void {
    if (this.size === 1) {
      shorter.add(this.successors[0]!, isWhole ? 1 : this.total);
      return;
    }
    for (let i = 0; i < this.size; i++) {
      const id = this.successors[i]!;
      shorter.add(id, isWhole ? 1 : this.counts[id]!);
    }
  }

  sort(): void {
    const { successors, counts, size } = this;
    if (size > few) {
      // Exact for counts of 32 bits and ids of 21.
      const keys = this.#keys.subarray(0, size);
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
    if (this.size > 1) for (let i = 0; i < this.size; i++) this.counts[this.successors[i]!] = 0;
    this.size = 0;
    this.total = 0;
  }
}
