/**
 * Texts to score -> token ids to score, by the rules of the harness: where a context ends and its continuation begins,
 * what an empty context is, how a long text is split into windows, and what is cut off if it does not fit. Knows token
 * ids and texts; not what they are for.
 */
import { InvalidConfigError, RequestError } from "../../errors.ts";
import type { Model } from "../../opened-model.ts";
import { pythonTrimEnd } from "./python-text.ts";

type Tokenizer = Pick<Model["tokenizer"], "encode" | "bounds">;

/** Ids, of which those from `begin` on are scored, each given all ids before it. At most `context` + 1 ids. */
export interface TokenRequest {
  readonly ids: Int32Array;
  readonly begin: number;
  /** Whether the beginning of the context was cut off because it did not fit. */
  readonly isTruncated: boolean;
}

export class RequestEncoder {
  readonly #tokenizer: Tokenizer;
  /** The most tokens that the model reads. */
  readonly #context: number;
  /** The last context: choices share a context and come one after another. */
  #last: { readonly text: string; readonly ids: Int32Array } | undefined;

  constructor(tokenizer: Tokenizer, { context }: { context: number }) {
    this.#tokenizer = tokenizer;
    this.#context = context;
  }

  /** `_encode_pair`: spaces at the end of the context move to the continuation, and both are tokenized as one text. */
  async pair(context: string, continuation: string, signal?: AbortSignal): Promise<TokenRequest> {
    if (context === "") return this.#unconditional(continuation, signal);
    const trimmed = pythonTrimEnd(context);
    // Spaces alone are no context. Then everything is scored.
    if (trimmed === "") return this.#unconditional(context + continuation, signal);
    const whole = await this.#tokenizer.encode(context + continuation, { signal });
    if (this.#last?.text !== trimmed)
      this.#last = { text: trimmed, ids: await this.#tokenizer.encode(trimmed, { signal }) };
    return this.#fitted(this.#last.ids, whole.subarray(this.#last.ids.length));
  }

  /** `get_rolling_token_windows` with one token of context: every token is scored once. */
  async rolling(text: string, signal?: AbortSignal): Promise<TokenRequest[]> {
    const tokens = await this.#tokenizer.encode(text, { signal });
    const requests: TokenRequest[] = [];
    for (let at = 0; at < tokens.length; at += this.#context) {
      const end = Math.min(tokens.length, at + this.#context);
      // Every window but the first ends where its tokens end, and begins a whole context before.
      const start = at === 0 ? 0 : end - this.#context;
      const before = start === 0 ? this.#prefix : tokens[start - 1]!;
      const ids = new Int32Array(1 + end - start);
      ids[0] = before;
      ids.set(tokens.subarray(start, end), 1);
      requests.push({ ids, begin: 1 + at - start, isTruncated: false });
    }
    return requests;
  }

  /** Ids of a context to continue by `maxTokens`. If it does not fit, its beginning is cut off. */
  async prompt(
    text: string,
    { maxTokens, signal }: { maxTokens: number; signal?: AbortSignal | undefined },
  ): Promise<{ ids: Int32Array; isTruncated: boolean }> {
    const room = this.#context - maxTokens;
    if (room < 1)
      throw new InvalidConfigError(
        `max_gen_toks ${maxTokens} leaves no room for a question: the model's context holds ${this.#context} tokens`,
      );
    const ids = await this.#tokenizer.encode(text, { signal });
    if (ids.length === 0) return { ids: Int32Array.of(this.#prefix), isTruncated: false };
    return { ids: ids.slice(-room), isTruncated: ids.length > room };
  }

  async #unconditional(text: string, signal?: AbortSignal): Promise<TokenRequest> {
    const ids = await this.#tokenizer.encode(text, { signal });
    if (ids[0] === this.#prefix) return this.#fitted(ids.slice(0, 1), ids.subarray(1));
    return this.#fitted(Int32Array.of(this.#prefix), ids);
  }

  #fitted(context: Int32Array, continuation: Int32Array): TokenRequest {
    if (continuation.length === 0)
      throw new RequestError(
        "the continuation has no tokens of its own behind its context; the tokenizer joins them",
      );
    if (continuation.length > this.#context)
      throw new RequestError(
        `a continuation of ${continuation.length} tokens does not fit into the model's context of ${this.#context}`,
      );
    const total = context.length + continuation.length;
    const left = Math.max(0, total - this.#context - 1);
    const ids = new Int32Array(total - left);
    ids.set(context.subarray(left));
    ids.set(continuation, context.length - left);
    return { ids, begin: context.length - left, isTruncated: left > 0 };
  }

  /** The token before a text without context: the one that begins documents. */
  get #prefix(): number {
    const { bosTokenId } = this.#tokenizer.bounds;
    if (bosTokenId === undefined)
      throw new InvalidConfigError(
        "the tokenizer has no end-of-text token, from which a text without a context is scored",
      );
    return bosTokenId;
  }
}
