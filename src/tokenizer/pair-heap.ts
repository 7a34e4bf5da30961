/**
 * A binary heap of pairs by count, the most frequent on top; equals in order of their left, then
 * right id. Counts are those at the time of pushing. Knows nothing of what is merged, or why.
 */

export interface HeapEntry {
  readonly pair: number;
  readonly count: number;
}

export class PairHeap {
  readonly #leftOf: (pair: number) => number;
  readonly #rightOf: (pair: number) => number;
  #pairs = new Int32Array(1 << 12);
  #counts = new Float64Array(1 << 12);
  #size = 0;

  constructor(leftOf: (pair: number) => number, rightOf: (pair: number) => number) {
    this.#leftOf = leftOf;
    this.#rightOf = rightOf;
  }

  get size(): number {
    return this.#size;
  }

  push(pair: number, count: number): void {
    if (this.#size === this.#pairs.length) this.#grow();
    const pairs = this.#pairs;
    const counts = this.#counts;
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#isBefore(pair, count, pairs[parent]!, counts[parent]!)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#pairs[at] = pair;
    this.#counts[at] = count;
  }

  /** Removes and returns the top; the heap must not be empty. */
  pop(): HeapEntry {
    const pairs = this.#pairs;
    const counts = this.#counts;
    const top = { pair: this.#pairs[0]!, count: this.#counts[0]! };
    const size = --this.#size;
    const pair = this.#pairs[size]!;
    const count = this.#counts[size]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= size) break;
      const sibling = child + 1;
      if (
        sibling < size &&
        this.#isBefore(pairs[sibling]!, counts[sibling]!, pairs[child]!, counts[child]!)
      ) {
        child = sibling;
      }
      if (!this.#isBefore(pairs[child]!, counts[child]!, pair, count)) break;
      this.#move(child, at);
      at = child;
    }
    this.#pairs[at] = pair;
    this.#counts[at] = count;
    return top;
  }

  #move(from: number, to: number): void {
    this.#pairs[to] = this.#pairs[from]!;
    this.#counts[to] = this.#counts[from]!;
  }

  #isBefore(pair: number, count: number, otherPair: number, otherCount: number): boolean {
    if (count !== otherCount) return count > otherCount;
    const left = this.#leftOf(pair);
    const otherLeft = this.#leftOf(otherPair);
    if (left !== otherLeft) return left < otherLeft;
    return this.#rightOf(pair) < this.#rightOf(otherPair);
  }

  #grow(): void {
    const pairs = new Int32Array(this.#size * 2);
    const counts = new Float64Array(this.#size * 2);
    pairs.set(this.#pairs);
    counts.set(this.#counts);
    this.#pairs = pairs;
    this.#counts = counts;
  }
}
