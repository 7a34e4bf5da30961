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

/** Contexts that one place of a text has for itself: the last `from` ids before it, one less, … and the last `to`. */
export interface LoneContexts {
  readonly from: number;
  readonly to: number;
  /** Ends before `place` in `ids`. */
  readonly ids: ArrayLike<number>;
  readonly place: number;
  /** What followed each, once. */
  readonly id: number;
}

/** Longer contexts come before the shorter that they end in. */
export interface ContextVisitor {
  row(row: ContextRow): void;
  lone(contexts: LoneContexts): void;
}

/** Counts n-grams in their order, and has every context visited. */
export class ContextCounter {
  readonly #open: readonly OpenRow[];
  readonly #longest: number;
  readonly #visitor: ContextVisitor;
  /** The last n-gram, which goes to its rows when it is known what it has in common with the next. `from`: its depth. */
  readonly #held = {
    from: 0,
    to: 0,
    ids: [] as ArrayLike<number>,
    place: 0,
    id: 0,
    count: 0,
    common: 0,
  };

  constructor({ order, vocabSize }: { order: number; vocabSize: number }, visitor: ContextVisitor) {
    this.#open = Array.from({ length: order }, (_, depth) => new OpenRow(depth, vocabSize));
    this.#longest = order - 1;
    this.#visitor = visitor;
  }

  /** Counts the present n-gram of a cursor, which has no smaller one behind it. */
  add({ common, depth, ids, place, id, count }: OrderedNgrams): void {
    const held = this.#held;
    if (held.count > 0) this.#settle(common, common + 1);
    held.common = common;
    held.from = depth;
    held.ids = ids;
    held.place = place;
    held.id = id;
    held.count = count;
  }

  /** Visits what is still open. Call after the last n-gram. */
  finish(): void {
    if (this.#held.count > 0) this.#settle(0, 0);
  }

  /** Counts what is held, which has `common` ids in common with the next, and closes rows down to a depth. */
  #settle(common: number, to: number): void {
    const held = this.#held;
    const shared = Math.max(common, held.common);
    const row = this.#open[shared]!;
    if (shared === this.#longest) row.add(held.id, held.count);
    else {
      // Longer contexts are its own. Rows for them, opened and closed again, took two thirds of the time of counting.
      const depth = held.from;
      row.add(held.id, depth > shared ? 1 : held.count);
      if (depth > shared && held.count > 1) {
        this.#visitAlone(this.#open[depth]!);
        held.from--;
      }
      held.to = shared + 1;
      if (held.from > shared) this.#visitor.lone(held);
      held.from = depth;
    }
    for (let depth = shared; depth >= to; depth--) this.#close(depth);
  }

  #close(depth: number): void {
    const { ids, place, from } = this.#held;
    const row = this.#open[depth]!;
    const isWhole = from >= depth;
    if (depth > 0) row.countInto(this.#open[depth - 1]!, isWhole);
    if (isWhole) {
      row.ids = ids;
      row.place = place;
      if (row.size > 1) row.sort();
      this.#visitor.row(row);
    }
    row.clear();
  }

  /** The held n-gram's whole context, after which it came several times. */
  #visitAlone(row: OpenRow): void {
    const { ids, place, id, count } = this.#held;
    row.add(id, count);
    row.ids = ids;
    row.place = place;
    this.#visitor.row(row);
    row.clear();
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
