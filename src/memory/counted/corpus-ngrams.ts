/**
 * The index of a corpus: how often each n-gram was met, for every length up to N, as a file of n-gram counts
 * (`ngram-bytes.ts`) of bounded size. Tokens that the memory cannot tell apart (one compressed id) are written as the
 * most frequent of them, so an n-gram of compressed ids has one entry and a spelling that can be read. Where the file
 * would be too large, n-grams that came seldom are left out, and the file says so. Knows ids; no texts, no files.
 */
import { FormatError } from "../../errors.ts";
import { nextTurn } from "../../next-turn.ts";
import type { TokenMap } from "../token-map.ts";
import { type CountedText, sortByContext } from "./context-order.ts";
import { FrequentNgrams } from "./frequent-ngrams.ts";
import { MergedNgrams } from "./merged-ngrams.ts";
import { checkSameKind, type CorpusFacts, MOST_NAME_BYTES, type NgramKind } from "./ngram-bytes.ts";
import { ngramBytes, readNgramBytes } from "./ngrams-in-memory.ts";
import { contextOf, ngramsOf, type OrderedNgrams } from "./ordered-ngrams.ts";

export interface CorpusIndexOptions {
  /** Length of the longest n-grams, in ids. */
  readonly order: number;
  readonly vocabSize: number;
  readonly tokenMap: TokenMap;
  /** SHA-256 of tokenizer.json. */
  readonly tokenizer: Uint8Array;
  /** Of the corpus. Cut to 32 bytes. */
  readonly name: string;
  /** An index of other text, which counts, too, if nothing is left out of it. */
  readonly before?: Uint8Array | undefined;
  /** Default 4 MB: a file that every static host takes. */
  readonly mostBytes?: number;
  /** Positions that are sorted at once, about 20 bytes each. Default 2^22. */
  readonly runTokens?: number;
  readonly signal?: AbortSignal | undefined;
}

/** An index that is read: what it says of its text, its n-grams, once, and the compressed id of each id in them. */
export interface ReadCorpusIndex {
  readonly facts: CorpusFacts;
  readonly ngrams: OrderedNgrams;
  /** Throws `FormatError` for an id that is no token. */
  compressed(id: number): number;
}

/** Throws `FormatError` for bytes that are damaged, or are of other ids than the memory's. */
export function readCorpusIndex(
  bytes: Uint8Array,
  { order, tokenMap: { map } }: { order: number; tokenMap: TokenMap },
): ReadCorpusIndex {
  const { header, ngrams } = readNgramBytes(bytes);
  if (header.order !== order || header.vocabSize < map.length)
    throw new FormatError(
      `n-grams of ${header.order} of ${header.vocabSize} ids; expected ${order} of ${map.length}, as the memory has them`,
    );
  return {
    facts: header.corpus ?? { name: "", tokens: header.total, least: 1 },
    ngrams,
    compressed(id) {
      const known = map[id];
      if (known === undefined)
        throw new FormatError(`the n-gram counts have id ${id}, which is no token`);
      return known;
    },
  };
}

/** Files that are merged into one at a time. */
const MOST_RUNS = 8;

/** Throws `InvalidConfigError` for ids or an order out of range. */
export async function indexCorpus(
  text: CountedText,
  options: CorpusIndexOptions,
): Promise<Uint8Array> {
  const { order, vocabSize, tokenMap, tokenizer, before, signal } = options;
  const { mostBytes = 4e6, runTokens = 2 ** 22 } = options;
  const kind = { order, vocabSize, tokenizer };
  const alike = commonest(text.tokens, tokenMap);
  const runs: Uint8Array[] = [];
  const old = before && readNgramBytes(before);
  const base = old?.header.corpus?.least === 1 ? old.header.corpus : undefined;
  if (base !== undefined) {
    checkSameKind(kind, old!.header);
    runs.push(before!);
    // One spelling for both texts.
    for (const { ngrams } = old!; ngrams.next();)
      for (const id of [ngrams.id, ...contextOf(ngrams)]) alike[tokenMap.map[id]!] = id;
  }
  const { length } = text.tokens;
  for (let from = 0; from < length; from += runTokens) {
    signal?.throwIfAborted();
    await nextTurn();
    // The ids before a run are context.
    const begin = Math.max(0, from - (order - 1));
    const end = Math.min(length, from + runTokens);
    const tokens = text.tokens.slice(begin, end);
    for (const [i, id] of tokens.entries()) tokens[i] = alike[tokenMap.map[id]!]!;
    const starts = text.starts.filter((at) => at >= begin && at < end).map((at) => at - begin);
    const sorted = sortByContext({ tokens, starts }, { order, vocabSize });
    runs.push(ngramBytes(ngramsOf(sorted, { from: 0, to: from - begin }), kind));
    if (runs.length === MOST_RUNS) runs.splice(0, MOST_RUNS, merged(runs, kind));
  }
  const facts = {
    tokens: length + (base?.tokens ?? 0),
    name: cut(
      base === undefined || base.name === options.name
        ? options.name
        : `${base.name} and ${options.name}`,
    ),
  };
  let least = 1;
  let index = merged(runs, { ...kind, corpus: { ...facts, least } });
  while (index.length > mostBytes) {
    signal?.throwIfAborted();
    await nextTurn();
    const frequent = new FrequentNgrams(readNgramBytes(index).ngrams, {
      least: ++least,
      vocabSize,
    });
    index = ngramBytes(frequent, { ...kind, corpus: { ...facts, least } });
  }
  return index;
}

function merged(runs: readonly Uint8Array[], kind: NgramKind): Uint8Array {
  const sources = runs.map((run) => ({ ngrams: readNgramBytes(run).ngrams, sign: 1 as const }));
  return ngramBytes(new MergedNgrams(sources), kind);
}

/** For each compressed id, the most frequent token that has it. */
function commonest(tokens: ArrayLike<number>, { map, compressedVocabSize }: TokenMap): Int32Array {
  const counts = new Uint32Array(map.length);
  for (let i = 0; i < tokens.length; i++) counts[tokens[i]!]!++;
  const alike = new Int32Array(compressedVocabSize).fill(-1);
  for (const [id, compressed] of map.entries())
    if (alike[compressed] === -1 || counts[id]! > counts[alike[compressed]!]!)
      alike[compressed] = id;
  return alike;
}

/** A name that is short enough, in whole characters: its middle goes, so that "and 2 more" stays. */
function cut(name: string): string {
  const size = (text: string): number => new TextEncoder().encode(text).length;
  if (size(name) <= MOST_NAME_BYTES) return name;
  const start = [...name];
  const end = start.splice(-16);
  const joined = (): string => `${start.join("")}…${end.join("")}`;
  while (size(joined()) > MOST_NAME_BYTES)
    if (start.length > 0) start.pop();
    else end.shift();
  return joined();
}
