/**
 * N-grams without those that came seldom: a cursor over another. What came less than `least` times is shortened to the
 * longest of its endings that came so often, and counts there; what has no such ending is left out. So an n-gram of any
 * length that came `least` times still has its exact count: the sum over the n-grams that end in it. Holds the n-grams
 * behind one id at a time. Knows cursors and counts.
 */
import { NgramIndex } from "../ngrams.ts";
import type { OrderedNgrams } from "./ordered-ngrams.ts";

export class FrequentNgrams implements OrderedNgrams {
  readonly order: number;
  readonly place: number;
  ids: Uint32Array;
  depth = 0;
  common = 0;
  id = 0;
  count = 0;
  #before: Uint32Array;
  readonly #source: OrderedNgrams;
  readonly #least: number;
  readonly #vocabSize: number;
  #isAtEnd: boolean;
  #group: Group;
  #at = 0;

  constructor(source: OrderedNgrams, { least, vocabSize }: { least: number; vocabSize: number }) {
    this.#source = source;
    this.#least = least;
    this.#vocabSize = vocabSize;
    this.order = source.order;
    this.place = source.order - 1;
    this.ids = new Uint32Array(this.place);
    this.#before = new Uint32Array(this.place);
    this.#isAtEnd = !source.next();
    this.#group = new Group(this.place, vocabSize);
  }

  next(): boolean {
    while (this.#at === this.#group.kept.length) if (!this.#readGroup()) return false;
    const { place } = this;
    const { entry, depth, count } = this.#group.kept[this.#at++]!;
    const [ids, before, depthBefore] = [this.#before, this.ids, this.depth];
    this.#group.copyContext(entry, depth, ids);
    let common = 0;
    while (
      common < Math.min(depth, depthBefore) &&
      ids[place - common - 1] === before[place - common - 1]
    )
      common++;
    this.#before = before;
    this.ids = ids;
    this.common = common === depth && depth === depthBefore ? this.order - 1 : common;
    this.depth = depth;
    this.id = this.#group.lasts[entry]!;
    this.count = count;
    return true;
  }

  /** Reads all n-grams behind the next id. */
  #readGroup(): boolean {
    if (this.#isAtEnd) return false;
    const source = this.#source;
    const nearest = source.ids[source.place - 1]!;
    const group = new Group(this.place, this.#vocabSize);
    do {
      group.add(source);
      this.#isAtEnd = !source.next();
    } while (!this.#isAtEnd && source.ids[source.place - 1] === nearest);
    group.keep(this.#least);
    this.#group = group;
    this.#at = 0;
    return true;
  }
}

/** An n-gram that is kept: the last `depth` ids of an entry's context, and its last id. */
interface Kept {
  readonly entry: number;
  readonly depth: number;
  count: number;
}

/** The n-grams with one id before the last. */
class Group {
  /** Last ids of the entries. */
  readonly lasts: number[] = [];
  readonly #most: number;
  readonly #counts: number[] = [];
  readonly #depths: number[] = [];
  /** `#most` for each entry, nearest first. */
  readonly #contexts: number[] = [];
  /** By depth - 1: the n-grams, and how often each came. */
  readonly #indexes: readonly NgramIndex[];
  readonly #totals: readonly number[][];
  /** By entry and depth - 1: the number of its ending. */
  readonly #numbers: number[] = [];
  kept: readonly Kept[] = [];

  constructor(most: number, vocabSize: number) {
    this.#most = most;
    this.#indexes = Array.from({ length: most }, () => new NgramIndex(vocabSize));
    this.#totals = Array.from({ length: most }, () => []);
  }

  add({ ids, place, depth, id, count }: OrderedNgrams): void {
    this.lasts.push(id);
    this.#counts.push(count);
    this.#depths.push(depth);
    let number = id;
    for (let i = 0; i < this.#most; i++) {
      const has = i < depth;
      this.#contexts.push(has ? ids[place - i - 1]! : 0);
      if (has) {
        number = this.#indexes[i]!.intern(number, ids[place - i - 1]!);
        this.#totals[i]![number] = (this.#totals[i]![number] ?? 0) + count;
      }
      this.#numbers.push(number);
    }
  }

  keep(least: number): void {
    const kept: Kept[] = [];
    const found = this.#totals.map(() => new Map<number, Kept>());
    for (const [entry, count] of this.#counts.entries()) {
      let depth = this.#depths[entry]!;
      while (depth > 0 && this.#totals[depth - 1]![this.#numberOf(entry, depth)]! < least) depth--;
      if (depth === 0) continue;
      const number = this.#numberOf(entry, depth);
      const before = found[depth - 1]!.get(number);
      if (before !== undefined) {
        before.count += count;
        continue;
      }
      const one = { entry, depth, count };
      found[depth - 1]!.set(number, one);
      kept.push(one);
    }
    this.kept = kept.toSorted((a, b) => this.#compare(a, b));
  }

  copyContext(entry: number, depth: number, into: Uint32Array): void {
    for (let i = 0; i < depth; i++)
      into[this.#most - i - 1] = this.#contexts[entry * this.#most + i]!;
  }

  #numberOf(entry: number, depth: number): number {
    return this.#numbers[entry * this.#most + depth - 1]!;
  }

  /** The order of `ordered-ngrams.ts`. */
  #compare(one: Kept, other: Kept): number {
    const [a, b] = [one.entry * this.#most, other.entry * this.#most];
    for (let i = 0; i < Math.min(one.depth, other.depth); i++) {
      const difference = this.#contexts[a + i]! - this.#contexts[b + i]!;
      if (difference !== 0) return difference;
    }
    return one.depth - other.depth || this.lasts[one.entry]! - this.lasts[other.entry]!;
  }
}
