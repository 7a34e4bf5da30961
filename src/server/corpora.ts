/**
 * Texts of visitors, indexed to look up rows in them. Each has an id that only its visitor gets, so nobody can read
 * or replace another's text. Memory is bounded; the least recently used text goes first. Knows no routes.
 */
import type { CorpusIndex } from "../inspect/index.ts";
import { ApiError } from "./api-error.ts";

/** Tokens of the largest index, and of all indexes together. */
const mostTokens = 2 ** 22;
const mostCorpora = 64;

export class Corpora {
  /** Least recently used first. */
  readonly #kept = new Map<string, CorpusIndex>();

  /** The id that finds it. */
  keep(corpus: CorpusIndex): string {
    const id = crypto.randomUUID();
    this.#kept.set(id, corpus);
    let tokens = 0;
    for (const { report } of this.#kept.values()) tokens += report.tokens;
    for (const [oldest, { report }] of this.#kept) {
      if (oldest === id || (tokens <= mostTokens && this.#kept.size <= mostCorpora)) break;
      this.#kept.delete(oldest);
      tokens -= report.tokens;
    }
    return id;
  }

  /** Throws `ApiError` for an unknown id, or one that was dropped. */
  find(id: string): CorpusIndex {
    const corpus = this.#kept.get(id);
    if (corpus === undefined)
      throw new ApiError("the server has no such corpus, or has let it go; give the text again", {
        status: 404,
        param: "corpus",
        code: "unknown_corpus",
      });
    this.#kept.delete(id);
    this.#kept.set(id, corpus);
    return corpus;
  }
}
