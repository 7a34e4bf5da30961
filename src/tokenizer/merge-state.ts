/**
 * The trainer's state while it merges: the symbols of all pieces, the count and the positions of each
 * pair of neighbours, and a queue of the most frequent pairs. Knows nothing of token spellings, files or
 * text.
 */
import { IntList } from "./int-list.ts";
import { PairHeap } from "./pair-heap.ts";
import { PairTable } from "./pair-table.ts";
import type { PieceCounts } from "./piece-counts.ts";

/** A pair that occurs once says nothing about other texts. */
const MIN_PAIR_COUNT = 2;

/**
 * Symbols of all unique pieces in one array, linked to their living neighbours; for every pair its
 * count and a linked list of the positions of its left symbols. List entries may be stale (the pair
 * was destroyed by another merge) and are checked when they are used.
 */
export class MergeState {
  readonly #symbols: Int32Array;
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #pieceOf: Int32Array;
  readonly #pieceCount: Float64Array;

  readonly #pairs = new PairTable(1 << 15);
  readonly #left = new IntList(1 << 12);
  readonly #right = new IntList(1 << 12);
  /** Counts pass 2^31 on large texts. */
  #count = new Float64Array(1 << 15);
  /** Head of each pair's list of positions: an entry of the pool, 0 if there is none. */
  readonly #head = new IntList(1 << 12);
  /** Pool of list entries. Half of the lists' room is never touched and so takes no memory. */
  readonly #entryPosition: Int32Array;
  readonly #entryNext: Int32Array;
  #entriesUsed = 0;
  #freeEntry = 0;

  readonly #heap: PairHeap;
  /** Pairs from here on are not in the queue yet. */
  #firstNew = 0;

  /** `byteIds` are the ids of the 256 bytes. */
  constructor({ bytes, starts, counts }: PieceCounts, byteIds: Uint8Array) {
    const total = bytes.length;
    this.#symbols = new Int32Array(total);
    for (let i = 0; i < total; i++) this.#symbols[i] = byteIds[bytes[i]!]!;
    this.#next = new Int32Array(total);
    this.#previous = new Int32Array(total);
    this.#pieceOf = new Int32Array(total);
    this.#pieceCount = counts;
    // A merge frees one entry and makes at most two; there are fewer merges than symbols.
    this.#entryPosition = new Int32Array(total * 2 + 2);
    this.#entryNext = new Int32Array(total * 2 + 2);
    this.#heap = new PairHeap(
      (pair) => this.#left.at(pair),
      (pair) => this.#right.at(pair),
    );
    for (let piece = 0; piece < counts.length; piece++) {
      const start = starts[piece]!;
      const end = starts[piece + 1]!;
      for (let i = start; i < end; i++) {
        this.#pieceOf[i] = piece;
        this.#previous[i] = i > start ? i - 1 : -1;
        this.#next[i] = i + 1 < end ? i + 1 : -1;
      }
      for (let i = start; i + 1 < end; i++) this.#add(i, i + 1, counts[piece]!);
    }
    this.#pushNew();
  }

  leftOf(pair: number): number {
    return this.#left.at(pair);
  }

  rightOf(pair: number): number {
    return this.#right.at(pair);
  }

  /** The pair to merge next, taken off the queue; -1 when there is none. */
  popMostFrequent(): number {
    const heap = this.#heap;
    while (heap.size > 0) {
      const { pair, count } = heap.pop();
      const now = this.#count[pair]!;
      if (now === count) return pair;
      // Counts in the queue are upper bounds: a pair only loses occurrences, which is found here.
      if (now >= MIN_PAIR_COUNT) heap.push(pair, now);
    }
    return -1;
  }

  /** Replaces every occurrence of `pair` by the new token `id`, left to right within a piece. */
  merge(pair: number, id: number): void {
    const symbols = this.#symbols;
    const next = this.#next;
    const previous = this.#previous;
    const left = this.#left.at(pair);
    const right = this.#right.at(pair);
    for (const at of this.#takePositions(pair)) {
      const swallowed = next[at]!;
      if (symbols[at] !== left || swallowed < 0 || symbols[swallowed] !== right) continue;
      const count = this.#pieceCount[this.#pieceOf[at]!]!;
      const before = previous[at]!;
      const after = next[swallowed]!;
      if (before >= 0) this.#subtract(symbols[before]!, left, count);
      if (after >= 0) this.#subtract(right, symbols[after]!, count);
      this.#subtract(left, right, count);
      symbols[at] = id;
      symbols[swallowed] = -1;
      next[at] = after;
      if (after >= 0) previous[after] = at;
      if (before >= 0) this.#add(before, at, count);
      if (after >= 0) this.#add(at, after, count);
    }
    this.#pushNew();
  }

  /**
   * Empties the pair's list. Positions ascend, which decides how overlapping pairs of equal symbols
   * merge: entries are made in ascending order, all of them by one merge, and put in front.
   */
  #takePositions(pair: number): Int32Array {
    let length = 0;
    for (let entry = this.#head.at(pair); entry !== 0; entry = this.#entryNext[entry]!) length++;
    const positions = new Int32Array(length);
    let entry = this.#head.at(pair);
    for (let i = length - 1; i >= 0; i--) {
      positions[i] = this.#entryPosition[entry]!;
      const following = this.#entryNext[entry]!;
      this.#entryNext[entry] = this.#freeEntry;
      this.#freeEntry = entry;
      entry = following;
    }
    this.#head.set(pair, 0);
    return positions;
  }

  #subtract(left: number, right: number, count: number): void {
    const pair = this.#pairs.get(left, right);
    this.#count[pair] = this.#count[pair]! - count;
  }

  #add(at: number, following: number, count: number): void {
    const left = this.#symbols[at]!;
    const right = this.#symbols[following]!;
    let pair = this.#pairs.get(left, right);
    if (pair < 0) {
      pair = this.#left.push(left);
      this.#right.push(right);
      this.#head.push(0);
      this.#pairs.set(left, right, pair);
      if (pair === this.#count.length) {
        const grown = new Float64Array(pair * 2);
        grown.set(this.#count);
        this.#count = grown;
      }
    }
    this.#count[pair] = this.#count[pair]! + count;
    let entry = this.#freeEntry;
    if (entry !== 0) this.#freeEntry = this.#entryNext[entry]!;
    else entry = ++this.#entriesUsed;
    this.#entryPosition[entry] = at;
    this.#entryNext[entry] = this.#head.at(pair);
    this.#head.set(pair, entry);
  }

  /** A merge makes pairs with its new token only, so that no older pair can grow. */
  #pushNew(): void {
    for (let pair = this.#firstNew; pair < this.#left.length; pair++) {
      const count = this.#count[pair]!;
      if (count >= MIN_PAIR_COUNT) this.#heap.push(pair, count);
    }
    this.#firstNew = this.#left.length;
  }
}
