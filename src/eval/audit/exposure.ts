/**
 * For each scored token: how often training read the n-gram before it and whether this token followed, and what its
 * window shows. N-grams of a text are exact, of token ids; those of an index of it (`corpus-ngrams.ts`) are of compressed
 * ids, as the memory sees them. Only n-grams of the scored text are counted, so what training read costs time but no
 * memory. Knows ids and counts; not models.
 *
 * A token's n-gram is the n ids before it, all within its document.
 */
import type { TokenStream } from "../../inference/index.ts";
import { NgramIndex, type ReadCorpusIndex } from "../../memory/index.ts";
import { nextTurn } from "../../next-turn.ts";

/** One entry for each scored token. */
export interface Exposure {
  readonly order: number;
  /** How often training read its n-gram. */
  readonly counts: Uint32Array;
  /** How often this token followed there; undefined where only shorter n-grams are known. */
  readonly continued: Uint32Array | undefined;
}

/**
 * For a scored token: its n-gram was not in the window before; or was, with another token after it; or with this one.
 */
export type Recurrence = "new" | "otherwise" | "again";

/** Tokens between two checks whether to stop. */
const BREATH = 1 << 16;

interface Chains {
  readonly indexes: readonly NgramIndex[];
  /** By order - 2: the number of the n-gram that ends at each token; none where its document is shorter. */
  readonly numbers: readonly Int32Array[];
}

const NONE = -1;

/** The exposure of the tokens `at` for n-grams of the given orders. */
export async function exposures(
  scored: TokenStream,
  trained: TokenStream,
  options: {
    at: Uint32Array;
    orders: readonly number[];
    vocabSize: number;
    signal?: AbortSignal | undefined;
  },
): Promise<Exposure[]> {
  const { at, orders, vocabSize, signal } = options;
  const longest = Math.max(...orders) + 1;
  const { indexes, numbers } = internText(scored, { longest, vocabSize });
  const counts = countersOf(indexes);
  const starts = startsOf(trained);
  let reach = 0;
  for (let t = 0; t < trained.tokens.length; t++) {
    if (t % BREATH === 0) {
      signal?.throwIfAborted();
      await nextTurn();
    }
    reach = starts.has(t) ? 1 : reach + 1;
    let number: number | undefined = trained.tokens[t]!;
    for (let i = 0; i + 2 <= Math.min(reach, longest); i++) {
      number = indexes[i]!.find(number, trained.tokens[t - i - 1]!);
      if (number === undefined) break;
      counts[i]![number]!++;
    }
  }
  return orders.map((order) => exposureOf(order, { at, numbers, counts }));
}

/** The same of an index. Of the orders, those that it has. */
export async function indexedExposures(
  { tokens, starts }: Pick<TokenStream, "tokens" | "starts">,
  { ngrams, compressed }: Pick<ReadCorpusIndex, "ngrams" | "compressed">,
  options: {
    at: Uint32Array;
    orders: readonly number[];
    vocabSize: number;
    signal?: AbortSignal | undefined;
  },
): Promise<Exposure[]> {
  const { at, orders, vocabSize, signal } = options;
  const text = { tokens: Uint32Array.from(tokens, compressed), starts };
  const { indexes, numbers } = internText(text, { longest: ngrams.order, vocabSize });
  const counts = countersOf(indexes);
  for (let n = 0; ngrams.next(); n++) {
    if (n % BREATH === 0) {
      signal?.throwIfAborted();
      await nextTurn();
    }
    const { id, ids, place, depth, count } = ngrams;
    let number: number | undefined = compressed(id);
    for (let i = 0; i < depth; i++) {
      number = indexes[i]!.find(number, compressed(ids[place - i - 1]!));
      if (number === undefined) break;
      counts[i]![number]! += count;
    }
  }
  return orders
    .filter((order) => order <= ngrams.order)
    .map((order) => exposureOf(order, { at, numbers, counts }));
}

function countersOf(indexes: readonly NgramIndex[]): Uint32Array[] {
  return indexes.map(({ size }) => new Uint32Array(size));
}

function exposureOf(
  order: number,
  parts: {
    readonly at: Uint32Array;
    readonly numbers: Chains["numbers"];
    readonly counts: readonly Uint32Array[];
  },
): Exposure {
  const { at, numbers, counts } = parts;
  const countAt = (length: number, token: number): number => {
    const number = numbers[length - 2]![token]!;
    return number === NONE ? 0 : counts[length - 2]![number]!;
  };
  return {
    order,
    counts: at.map((token) => countAt(order, token - 1)),
    continued: order > counts.length ? undefined : at.map((token) => countAt(order + 1, token)),
  };
}

/** What the window of each token showed of its n-gram. */
export function recurrences(
  scored: TokenStream,
  options: { at: Uint32Array; windowStarts: Uint32Array; order: number; vocabSize: number },
): Recurrence[] {
  const { at, windowStarts, order, vocabSize } = options;
  const { numbers } = internText(scored, { longest: order + 1, vocabSize });
  const [context, whole] = [numbers[order - 2]!, numbers[order - 1]!];
  // The last position of each n-gram so far. Windows only move forwards, so the last one is enough.
  const lastContext = new Map<number, number>();
  const lastWhole = new Map<number, number>();
  const found: Recurrence[] = [];
  const starts = startsOf(scored);
  let document = 0;
  let next = 0;
  for (let t = 1; t < scored.tokens.length && next < at.length; t++) {
    if (starts.has(t)) document = t;
    if (t === at[next]) {
      const begin = Math.max(document, windowStarts[next]!) + order - 1;
      const isIn = (last: number | undefined, first: number): boolean =>
        last !== undefined && last >= first;
      const ngram = context[t - 1]!;
      if (ngram === NONE || !isIn(lastContext.get(ngram), begin)) found.push("new");
      else found.push(isIn(lastWhole.get(whole[t]!), begin + 1) ? "again" : "otherwise");
      next++;
    }
    if (context[t - 1] !== NONE) lastContext.set(context[t - 1]!, t - 1);
    if (whole[t] !== NONE) lastWhole.set(whole[t]!, t);
  }
  return found;
}

function internText(
  stream: { readonly tokens: ArrayLike<number>; readonly starts: Uint32Array },
  { longest, vocabSize }: { longest: number; vocabSize: number },
): Chains {
  const { tokens } = stream;
  const starts = startsOf(stream);
  const indexes = Array.from({ length: longest - 1 }, () => new NgramIndex(vocabSize));
  const numbers = indexes.map(() => new Int32Array(tokens.length).fill(NONE));
  let reach = 0;
  for (let t = 0; t < tokens.length; t++) {
    reach = starts.has(t) ? 1 : reach + 1;
    let number: number = tokens[t]!;
    for (let i = 0; i + 2 <= Math.min(reach, longest); i++) {
      number = indexes[i]!.intern(number, tokens[t - i - 1]!);
      numbers[i]![t] = number;
    }
  }
  return { indexes, numbers };
}

function startsOf({ starts }: Pick<TokenStream, "starts">): Set<number> {
  return new Set(starts);
}
