/**
 * Several counts as one: their n-grams in one order, equal ones with the sum of their counts. Counts that are taken off
 * come with the sign -1. Counts of A and B together are, to the byte, those of a text with A's documents and B's; less
 * B's they are A's again. Knows cursors; not where n-grams are.
 */
import { InvalidConfigError } from "../../errors.ts";
import { compareNgrams, type OrderedNgrams } from "./ordered-ngrams.ts";

export interface SignedNgrams {
  /** No n-gram comes twice in it. */
  readonly ngrams: OrderedNgrams;
  readonly sign: 1 | -1;
}

/** Of one order. `next` throws `InvalidConfigError` where more is taken off than was counted. */
export class MergedNgrams implements OrderedNgrams {
  readonly order: number;
  readonly place: number;
  ids: Uint32Array;
  depth = 0;
  common = 0;
  id = 0;
  count = 0;
  #before: Uint32Array;
  #depthBefore = 0;
  /** The smallest first: each comes before those at 2 i + 1 and 2 i + 2. */
  readonly #heap: SignedNgrams[] = [];

  constructor(sources: readonly SignedNgrams[]) {
    this.order = sources[0]!.ngrams.order;
    this.place = this.order - 1;
    this.ids = new Uint32Array(this.place);
    this.#before = new Uint32Array(this.place);
    for (const source of sources) if (source.ngrams.next()) this.#heap.push(source);
    for (let at = (this.#heap.length >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  next(): boolean {
    const last = this.ids;
    this.ids = this.#before;
    this.#before = last;
    this.#depthBefore = this.depth;
    do {
      if (this.#heap.length === 0) return false;
      const { ngrams } = this.#heap[0]!;
      for (let back = 1; back <= ngrams.depth; back++)
        this.ids[this.place - back] = ngrams.ids[ngrams.place - back]!;
      this.depth = ngrams.depth;
      this.id = ngrams.id;
      this.count = 0;
      do this.#take();
      while (this.#heap.length > 0 && compareNgrams(this.#heap[0]!.ngrams, this) === 0);
    } while (this.count === 0);
    if (this.count < 0) throw this.#tooMany();
    this.common = this.#common();
    return true;
  }

  #take(): void {
    const { ngrams, sign } = this.#heap[0]!;
    this.count += sign * ngrams.count;
    if (!ngrams.next()) {
      const end = this.#heap.pop()!;
      if (this.#heap.length === 0) return;
      this.#heap[0] = end;
    }
    this.#sink(0);
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const source = heap[from]!;
    let at = from;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (
        below + 1 < heap.length &&
        compareNgrams(heap[below + 1]!.ngrams, heap[below]!.ngrams) < 0
      )
        below++;
      if (compareNgrams(source.ngrams, heap[below]!.ngrams) <= 0) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = source;
  }

  #common(): number {
    const { place, ids, depth } = this;
    const most = Math.min(depth, this.#depthBefore);
    let common = 0;
    while (common < most && ids[place - common - 1] === this.#before[place - common - 1]) common++;
    return common === depth && depth === this.#depthBefore ? this.order - 1 : common;
  }

  #tooMany(): InvalidConfigError {
    const context = this.ids.subarray(this.place - this.depth);
    return new InvalidConfigError(
      `the ids ${[...context, this.id].join(" ")} are taken off ${-this.count} times more than they were counted; ` +
        "only counts that were added can be taken off",
    );
  }
}
