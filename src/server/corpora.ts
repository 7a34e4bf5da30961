/**
 * Texts of visitors, indexed to look up rows in them. Only the visitor gets the id of a text, so nobody else can read
 * or replace it. Memory is limited; the least recently used text is dropped first. Knows no routes.
 */
import type { CorpusIndex } from "../inspect/index.ts";
import { ApiError } from "./api-error.ts";

/** Tokens of the largest index, and of all indexes together. */
const mostTokens = 2 ** 22;
const mostCorpora = 64;

export class Corpora {
  /** Least recently used first. */
  readonly #kept = new Map<string, CorpusIndex>();

  /** Returns the id of the stored corpus. */
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
