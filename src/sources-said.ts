/**
 * Of which documents an answer has n-grams: those of the packs that it read, and of what its scopes have learned. Says
 * what stands there, not who was believed. Knows ids and the seam of memories; no texts.
 */
import type { Memory, Origin } from "./memory/index.ts";

type WithoutIsOnly<One> = One extends unknown ? Omit<One, "isOnly"> : never;

/** A document that has something of an answer. */
export type SourceSaid = WithoutIsOnly<Origin> & {
  /** Tokens of the answer that stand there behind the tokens before them: as many as the counts' longest n-grams have. */
  readonly tokens: number;
  /** How many of them no other document has behind these. */
  readonly only: number;
  /** Of the first of them, in the whole text. */
  readonly position: number;
};

/** Documents that are told of; others have less. */
const MOST_SOURCES = 16;

/** Of a whole text whose answer begins at `from`; the document that has most of it first. */
export function sourcesSaid({
  ids,
  from,
  memory,
}: {
  ids: ArrayLike<number>;
  from: number;
  memory: Memory | undefined;
}): SourceSaid[] {
  const said = new Map<string, SourceSaid>();
  for (const corpus of memory?.origins ?? [])
    for (let at = from; at < ids.length; at++) {
      const found = corpus.originOf(ids, at);
      if (found === undefined) continue;
      const { isOnly, ...source } = found;
      const key = JSON.stringify(source);
      const { tokens = 0, only = 0, position = at } = said.get(key) ?? {};
      said.set(key, { ...source, tokens: tokens + 1, only: only + Number(isOnly), position });
    }
  return [...said.values()]
    .toSorted((a, b) => b.tokens - a.tokens || b.only - a.only || a.position - b.position)
    .slice(0, MOST_SOURCES);
}

/** As a reader is told of it. */
export function sourceName(source: SourceSaid): string {
  return "pack" in source
    ? `pack ${source.pack}: ${source.file}, document ${source.document}`
    : `scope ${source.scope}: text ${source.document} that it has learned`;
}
