/**
 * Interpolated Kneser-Ney over token ids: what counting alone knows of a text, which a memory has to beat. Knows ids
 * and counts; no models. A text is one sequence here, with its end-of-text tokens as words like others. Shares no code
 * with the counted memory on purpose: that is one of the things it measures.
 *
 * The highest order counts n-grams, lower ones the different longer n-grams that end in theirs. With c of a word w after
 * a context, discount D = n1 / (n1 + 2 n2) of its order (n1 n-grams counted once, n2 twice):
 *
 *   p_n(w) = max(c - D, 0) / total + rest * p_{n-1}(w),   rest = what the first terms leave,   p_0 = 1 / V
 *
 * A context that was never met passes p_{n-1} on. (Kneser and Ney 1995; Chen and Goodman 1998, eq. 21.)
 */
import { InvalidConfigError } from "../../errors.ts";
import { NgramIndex } from "../../memory/index.ts";

/** Every distinct n-gram of each order up to some, numbered by first occurrence. About 50 bytes a distinct n-gram. */
export class NgramCounts {
  readonly vocabSize: number;
  readonly numTokens: number;
  /** By order - 1. */
  readonly orders: readonly OrderCounts[];
  readonly #indexes: readonly NgramIndex[];

  private constructor(
    parts: { vocabSize: number; numTokens: number },
    { orders, indexes }: { orders: readonly OrderCounts[]; indexes: readonly NgramIndex[] },
  ) {
    this.vocabSize = parts.vocabSize;
    this.numTokens = parts.numTokens;
    this.orders = orders;
    this.#indexes = indexes;
  }

  /** Throws `InvalidConfigError` for texts that would take too much memory. */
  static async count(
    tokens: ArrayLike<number>,
    options: { maxOrder: number; vocabSize: number; signal?: AbortSignal | undefined },
  ): Promise<NgramCounts> {
    const { maxOrder, vocabSize, signal } = options;
    if (tokens.length > MOST_TOKENS)
      throw new InvalidConfigError(
        `n-grams of 1..${MOST_TOKENS} tokens are counted, the training text has ${tokens.length}; give a part of it`,
      );
    const indexes = Array.from({ length: maxOrder - 1 }, () => new NgramIndex(vocabSize));
    const growing = Array.from({ length: maxOrder }, (_, i) =>
      growingCounts(i === 0 ? vocabSize : 0),
    );
    // Numbers of the n-grams that end at the token before, by order - 1.
    let before: number[] = [];
    for (let t = 0; t < tokens.length; t++) {
      if (t % BREATH === 0) {
        signal?.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve));
      }
      const ending: number[] = [tokens[t]!];
      growing[0]!.see(ending[0]!, { context: 0, suffix: 0 });
      for (let n = 2; n <= Math.min(maxOrder, t + 1); n++) {
        const suffix = ending[n - 2]!;
        const ngram = indexes[n - 2]!.intern(suffix, tokens[t - n + 1]!);
        growing[n - 1]!.see(ngram, { context: before[n - 2]!, suffix });
        ending.push(ngram);
      }
      before = ending;
    }
    const orders = growing.map((one) => one.done());
    return new NgramCounts({ vocabSize, numTokens: tokens.length }, { orders, indexes });
  }

  /** Numbers of the known n-grams that end at token t, by order - 1, up to the first that is not known. */
  endingAt(tokens: ArrayLike<number>, t: number, maxOrder: number): number[] {
    const found: number[] = [];
    if (t < 0) return found;
    let ngram: number | undefined = tokens[t]!;
    for (let n = 1; ngram !== undefined && n <= maxOrder; n++) {
      found.push(ngram);
      ngram = t - n < 0 ? undefined : this.#indexes[n - 1]?.find(ngram, tokens[t - n]!);
    }
    return found;
  }
}

/** The distinct n-grams of one order; arrays by number. Unigrams are numbered by id, met or not. */
export interface OrderCounts {
  readonly counts: Uint32Array;
  /** Number of its first n - 1 ids, and of its last, one order below. */
  readonly contexts: Uint32Array;
  readonly suffixes: Uint32Array;
}

const MOST_TOKENS = 2 ** 24;
const BREATH = 1 << 16;

function growingCounts(least: number) {
  const names = ["counts", "contexts", "suffixes"] as const;
  let size = least;
  let room = Math.max(least, 1024);
  const make = (): Record<(typeof names)[number], Uint32Array> => ({
    counts: new Uint32Array(room),
    contexts: new Uint32Array(room),
    suffixes: new Uint32Array(room),
  });
  let arrays = make();
  return {
    see(ngram: number, { context, suffix }: { context: number; suffix: number }): void {
      if (ngram >= size) size = ngram + 1;
      if (size > room) {
        const old = arrays;
        room *= 2;
        arrays = make();
        for (const name of names) arrays[name].set(old[name]);
      }
      arrays.counts[ngram]!++;
      arrays.contexts[ngram] = context;
      arrays.suffixes[ngram] = suffix;
    },
    done: (): OrderCounts => ({
      counts: arrays.counts.slice(0, size),
      contexts: arrays.contexts.slice(0, size),
      suffixes: arrays.suffixes.slice(0, size),
    }),
  };
}

/** See the head of this file. */
export class KneserNey {
  readonly order: number;
  readonly #counts: NgramCounts;
  /** By order - 1 and n-gram: the first term of p_n; 0 for n-grams that are left out. */
  readonly #own: readonly Float64Array[];
  /** By order - 1 and context: the factor of p_{n-1}. */
  readonly #rest: readonly Float64Array[];
  readonly numNgrams: number;

  private constructor(
    counts: NgramCounts,
    parts: { own: readonly Float64Array[]; rest: readonly Float64Array[] },
  ) {
    this.order = parts.own.length;
    this.#counts = counts;
    this.#own = parts.own;
    this.#rest = parts.rest;
    this.numNgrams = parts.own.reduce(
      (sum, ofOrder) => sum + ofOrder.reduce((n, own) => n + Number(own > 0), 0),
      0,
    );
  }

  /** All n-grams of up to `order` ids. */
  static of(counts: NgramCounts, order: number): KneserNey {
    const used = usedCounts(counts, order);
    const own: Float64Array[] = [];
    const rest: Float64Array[] = [];
    for (let n = 1; n <= order; n++) {
      const { contexts } = counts.orders[n - 1]!;
      const numContexts = n === 1 ? 1 : counts.orders[n - 2]!.counts.length;
      const discount = discountOf(used[n - 1]!);
      const totals = new Float64Array(numContexts);
      for (const [g, c] of used[n - 1]!.entries()) totals[contexts[g]!]! += c;
      const first = Float64Array.from(used[n - 1]!, (c, g) =>
        c === 0 ? 0 : Math.max(c - discount, 0) / totals[contexts[g]!]!,
      );
      own.push(first);
      rest.push(restsOf(first, contexts, numContexts));
    }
    return new KneserNey(counts, { own, rest });
  }

  /**
   * The `most` n-grams whose loss would cost the training text most: times met, times the logarithm of how much
   * likelier the n-gram is with its own count than by its suffix (Seymore and Rosenfeld 1996).
   */
  pruned(most: number): KneserNey {
    if (most >= this.numNgrams) return this;
    const { orders } = this.#counts;
    const costs = new Float64Array(this.numNgrams);
    const costOf: Float64Array[] = [];
    let lower = new Float64Array(1).fill(1 / this.#counts.vocabSize);
    let next = 0;
    for (const [i, own] of this.#own.entries()) {
      const { counts, contexts, suffixes } = orders[i]!;
      const rest = this.#rest[i]!;
      const whole = new Float64Array(own.length);
      const cost = new Float64Array(own.length).fill(-Infinity);
      for (let g = 0; g < own.length; g++) {
        const below = lower[suffixes[g]!]!;
        const left = rest[contexts[g]!]!;
        whole[g] = own[g]! + left * below;
        if (own[g] === 0) continue;
        cost[g] = counts[g]! * Math.log(whole[g]! / ((left + own[g]!) * below));
        costs[next++] = cost[g]!;
      }
      costOf.push(cost);
      lower = whole;
    }
    costs.sort();
    const least = costs[costs.length - most] ?? Infinity;
    // Of n-grams at the border, which cost the same, as many as there is room for.
    let ties = most - costs.reduce((n, cost) => n + Number(cost > least), 0);
    const own = this.#own.map((ofOrder, i) =>
      ofOrder.map((x, g) => {
        const cost = costOf[i]![g]!;
        return cost > least || (cost === least && ties-- > 0) ? x : 0;
      }),
    );
    const rest = own.map((ofOrder, i) =>
      restsOf(ofOrder, orders[i]!.contexts, this.#rest[i]!.length),
    );
    return new KneserNey(this.#counts, { own, rest });
  }

  /** -ln p of each token `at`, given those before it in `tokens`. */
  nats(tokens: ArrayLike<number>, at: ArrayLike<number>): Float64Array {
    return Float64Array.from({ length: at.length }, (_, i) => {
      const t = at[i]!;
      const contexts = this.#counts.endingAt(tokens, t - 1, this.order - 1);
      return -Math.log(this.#chance(contexts, this.#counts.endingAt(tokens, t, this.order)));
    });
  }

  /** Chances [V] of every id behind `context`. */
  chances(context: readonly number[]): Float64Array {
    const contexts = this.#counts.endingAt(context, context.length - 1, this.order - 1);
    return Float64Array.from({ length: this.#counts.vocabSize }, (_, id) => {
      const text = [...context, id];
      return this.#chance(contexts, this.#counts.endingAt(text, text.length - 1, this.order));
    });
  }

  /** Of the word that `ngrams` end in, behind `contexts`: numbers by order - 1. */
  #chance(contexts: readonly number[], ngrams: readonly number[]): number {
    let p = 1 / this.#counts.vocabSize;
    for (let n = 1; n <= contexts.length + 1; n++) {
      const context = n === 1 ? 0 : contexts[n - 2]!;
      const ngram = ngrams[n - 1];
      const own = ngram === undefined ? 0 : this.#own[n - 1]![ngram]!;
      p = own + this.#rest[n - 1]![context]! * p;
    }
    return p;
  }
}

/** What each order counts under this highest one, 0 for n-grams that stand only where no n-gram of that order ends. */
function usedCounts({ orders }: NgramCounts, order: number): Uint32Array[] {
  const used: Uint32Array[] = [];
  for (let n = order; n >= 1; n--) {
    if (n === order) {
      used.unshift(orders[n - 1]!.counts);
      continue;
    }
    const counts = new Uint32Array(orders[n - 1]!.counts.length);
    const { suffixes } = orders[n]!;
    for (const [g, c] of used[0]!.entries()) if (c > 0) counts[suffixes[g]!]!++;
    used.unshift(counts);
  }
  return used;
}

function discountOf(counts: Uint32Array): number {
  let once = 0;
  let twice = 0;
  for (const c of counts) {
    if (c === 1) once++;
    else if (c === 2) twice++;
  }
  return once + twice === 0 ? 0.75 : once / (once + 2 * twice);
}

/** What the first terms leave of each context; all of it where there are none. */
function restsOf(own: Float64Array, contexts: Uint32Array, numContexts: number): Float64Array {
  const rest = new Float64Array(numContexts).fill(1);
  for (let g = 0; g < own.length; g++) {
    const context = contexts[g]!;
    rest[context] = rest[context]! - own[g]!;
  }
  // Sums of quotients miss 1 by rounding.
  return rest.map((left) => Math.max(0, left));
}
