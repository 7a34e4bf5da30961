/**
 * The texts that visitors gave to have rows looked up in. Each is found by an id that only its giver was told, so
 * nobody sees another's text or has it replaced. Room is bounded; those used longest ago go first. Knows no routes.
 */
import type { CorpusIndex } from "../inspect/index.ts";
import { ApiError } from "./api-error.ts";

/** As many as the largest index has: all kept together take no more memory than it alone. */
const mostTokens = 2 ** 22;
const mostCorpora = 64;

export class Corpora {
  /** Used longest ago first. */
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

  /** Throws `ApiError` for one that was never given, or had to go. */
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
