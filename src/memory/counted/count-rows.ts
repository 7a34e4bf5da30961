/**
 * N-grams in order -> the rows of all their contexts, as bytes, and what is said once of the whole: the counts of single
 * ids and the discounts. Rows of contexts with the same last id follow each other, longer contexts before the shorter
 * that they end in. Knows no buckets and no stores.
 */
import {
  ContextCounter,
  type ContextRow,
  type ContextVisitor,
  type LoneContexts,
} from "./count-contexts.ts";
import type { OrderedNgrams } from "./ordered-ngrams.ts";
import type { RowWriter } from "./write-rows.ts";

/** What rows do not say. */
export interface CountedTotals {
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  readonly vocabSize: number;
  /** [order] Discounts of n-grams of 1, 2, … ids. */
  readonly discounts: Float64Array;
  /** [V] Count of each id without context. */
  readonly unigrams: Uint32Array;
}

/** What is counted. */
export interface CountedKind {
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  readonly vocabSize: number;
  /** What is subtracted from the counts of n-grams of several ids. Default: estimated for each length, as of single ids. */
  readonly discount?: number | undefined;
}

/**
 * The discount of counts beside a model. The estimate (0.7 to 0.9) is best for counts that stand alone; the weights of a
 * model leave room for unseen ids themselves, and sharper counts serve them better (docs/log.md has both).
 */
export const DISCOUNT_BESIDE_A_MODEL = 0.5;

/**
 * The discount: what is subtracted from each count for n-grams that never occurred. D = n1 / (n1 + 2 n2), where n1
 * n-grams were counted once, n2 twice. (Ney, Essen and Kneser 1994)
 */
function discountOf({ once, twice }: { once: number; twice: number }): number {
  return once + twice > 0 ? once / (once + 2 * twice) : 0.75;
}

export class RowCount implements ContextVisitor {
  readonly #of: CountedKind;
  readonly #writer: RowWriter;
  readonly #contexts: ContextCounter;
  readonly #once: Float64Array;
  readonly #twice: Float64Array;
  readonly #unigrams: Uint32Array;
  #numContexts = 0;

  constructor(of: CountedKind, writer: RowWriter) {
    this.#of = of;
    this.#writer = writer;
    this.#once = new Float64Array(of.order);
    this.#twice = new Float64Array(of.order);
    this.#unigrams = new Uint32Array(of.vocabSize);
    this.#contexts = new ContextCounter(of, this);
  }

  /** Counts the present n-gram of a cursor, which has no smaller one behind it. */
  add(ngrams: OrderedNgrams): void {
    this.#contexts.add(ngrams);
  }

  row(row: ContextRow): void {
    const { depth, successors, counts, size, total } = row;
    if (size === 1) {
      if (total === 1) this.#once[depth]!++;
      else if (total === 2) this.#twice[depth]!++;
    } else
      // The most frequent first.
      for (let i = size - 1; i >= 0; i--) {
        const count = counts[successors[i]!]!;
        if (count > 2) break;
        if (count === 1) this.#once[depth]!++;
        else this.#twice[depth]!++;
      }
    if (depth === 0) {
      for (let i = 0; i < size; i++)
        this.#unigrams[successors[i]!] = size === 1 ? total : counts[successors[i]!]!;
      return;
    }
    if (depth > 1) this.#numContexts++;
    this.#writer.write(row);
  }

  lone(contexts: LoneContexts): void {
    const { from, to } = contexts;
    for (let depth = from; depth >= to; depth--) this.#once[depth]!++;
    this.#numContexts += from - Math.max(to, 2) + 1;
    this.#writer.writeLone(contexts);
  }

  /** Writes what is still open. `numContexts`: of several ids. Call after the last n-gram. */
  finish(): { totals: CountedTotals; numContexts: number } {
    this.#contexts.finish();
    this.#writer.finish();
    const { order, vocabSize, discount } = this.#of;
    const discounts = Float64Array.from(this.#once, (once, depth) => {
      const estimate = discountOf({ once, twice: this.#twice[depth]! });
      return depth === 0 ? estimate : (discount ?? estimate);
    });
    const totals = { order, vocabSize, discounts, unigrams: this.#unigrams };
    return { totals, numContexts: this.#numContexts };
  }
}
