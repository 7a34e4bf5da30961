/**
 * Estimates the bytes of a text's counts before they are counted. One pass over the text samples its distinct n-grams:
 * those whose hash ends in enough zero bits that the sample stays small (adaptive sampling, Flajolet 1990). Knows sizes;
 * no rows.
 */
import type { CountedText } from "./context-order.ts";
import { numBucketsFor } from "./bucket-placement.ts";
import { bytesAtRest } from "./counted-table.ts";
import { headBytes, successorBytes } from "./row-bytes.ts";

export interface CountsEstimate {
  /** A table of the whole text, unpruned. A table without a fold takes about as much. */
  readonly tableBytes: number;
  /** What counting takes besides the tables that are kept: the sorted text, and rows that are not yet in buckets. */
  readonly scratchBytes: number;
}

/** N-grams in a sample, at most. The standard error is 1.2 / sqrt(this). */
const MOST_SAMPLED = 1 << 14;

export function estimateCounts(
  text: CountedText,
  { order, vocabSize }: { order: number; vocabSize: number },
): CountsEstimate {
  const samples = sampleNgrams(text, order);
  let rowBytes = 0;
  let numContexts = 0;
  for (let depth = 1; depth < order; depth++) {
    const contexts = samples[depth - 1]!;
    const pairs = samples[depth]!.distinct;
    // A context that occurred once has one successor, and its row no head.
    const single = { total: 1, distinct: 1, listed: 1, isSingle: true };
    const several = { total: 2, distinct: 2, listed: 2, isSingle: false };
    const others = contexts.distinct - contexts.once;
    rowBytes +=
      contexts.once *
        (headBytes(single, { depth, rest: 0, vocabSize }) + successorBytes(1, vocabSize) - 1) +
      others * headBytes(several, { depth, rest: 0, vocabSize }) +
      Math.max(others, pairs - contexts.once) * successorBytes(1, vocabSize);
    if (depth > 1) numContexts += contexts.distinct;
  }
  const numBuckets = numBucketsFor(numContexts, vocabSize);
  const tableBytes = bytesAtRest({ order, vocabSize }, { rowBytes, numBuckets });
  // Of each position its place and its depth; rows as they are written, and as they are placed.
  return { tableBytes, scratchBytes: 5 * text.tokens.length + 2 * tableBytes };
}

/** How many different n-grams of a length there are, and how many of them occur once. */
interface DistinctNgrams {
  readonly distinct: number;
  readonly once: number;
}

/** Of 1, 2, … `order` ids. */
function sampleNgrams({ tokens, starts }: CountedText, order: number): DistinctNgrams[] {
  const samples = Array.from({ length: order }, () => new Sample());
  let begin = 0;
  let next = 0;
  for (let at = 0; at < tokens.length; at++) {
    if (starts[next] === at) {
      begin = at;
      next++;
    }
    const most = Math.min(order, at - begin + 1);
    let hash = 0;
    for (let n = 0; n < most; n++) {
      hash = Math.imul(hash ^ (tokens[at - n]! + 1), 0x9e3779b1);
      hash ^= hash >>> 15;
      samples[n]!.add(hash);
    }
  }
  return samples.map((sample) => sample.scaled());
}

class Sample {
  /** Occurrences by hash; two stand for several. */
  readonly #counts = new Map<number, number>();
  #mask = 0;

  add(hash: number): void {
    let mixed = Math.imul(hash, 0x85ebca6b);
    mixed ^= mixed >>> 13;
    if ((mixed & this.#mask) !== 0) return;
    const before = this.#counts.get(mixed);
    this.#counts.set(mixed, before === undefined ? 1 : 2);
    if (before !== undefined) return;
    while (this.#counts.size > MOST_SAMPLED) {
      this.#mask = this.#mask * 2 + 1;
      for (const one of this.#counts.keys()) if ((one & this.#mask) !== 0) this.#counts.delete(one);
    }
  }

  scaled(): DistinctNgrams {
    const factor = this.#mask + 1;
    const once = [...this.#counts.values()].filter((count) => count === 1).length;
    return { distinct: factor * this.#counts.size, once: factor * once };
  }
}
