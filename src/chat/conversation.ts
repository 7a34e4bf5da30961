/**
 * A conversation on one session. Messages that the session has already read are not read again. When the context is
 * full, the oldest turns are forgotten. Knows messages and how they become ids; not where they are typed or shown.
 */
import { RequestError } from "../errors.ts";
import { continueText } from "../generate-text.ts";
import { commonPrefix, type Sampler, type Session, type View } from "../inference/index.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import type { ChatMessage } from "./chat-template.ts";

/** Makes the prompt, as token ids, for an answer to `messages`. */
export type PromptOf = (
  messages: readonly ChatMessage[],
  options: { signal: AbortSignal | undefined },
) => Promise<readonly number[]>;

export interface ConversationOptions {
  readonly tokenizer: Tokenizer;
  readonly promptOf: PromptOf;
  readonly sampler: Sampler;
  /** The system message. It comes first and is never forgotten. */
  readonly system?: string | undefined;
  readonly stop?: readonly string[] | undefined;
  /** Most tokens of an answer. Default: as many as fit. */
  readonly maxTokens?: number | undefined;
}

/** How an answer ended, and what it cost. */
export interface Answered {
  /** "abort": the caller's signal ended it. The text written until then is the answer. */
  readonly finishReason: "stop" | "length" | "abort";
  readonly numTokens: number;
  /** Prompt tokens that had to be read. The others had been read for earlier turns. */
  readonly numRead: number;
  /** Speed of generation, without the prompt. */
  readonly tokensPerSecond: number;
  /** Turns that were forgotten to make room for this one. */
  readonly numForgotten: number;
}

/** A token of an answer, and its gates by Engram layer. */
export interface GatedToken {
  readonly id: number;
  readonly gates: ReadonlyMap<number, number>;
}

/** Prompt tokens that are read between two checks of the signal. */
const chunkLength = 256;

export class Conversation {
  readonly #session: Session;
  readonly #options: ConversationOptions;
  readonly #messages: ChatMessage[] = [];
  /** Index of the first message that is not forgotten; even. */
  #first = 0;
  /** Where the last answer begins in the session. */
  #answerStart: number | undefined;

  /** The caller disposes of the session. */
  constructor(session: Session, options: ConversationOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** All messages, including forgotten ones. */
  get messages(): readonly ChatMessage[] {
    const { system } = this.#options;
    return [
      ...(system === undefined ? [] : [{ role: "system", content: system }]),
      ...this.#messages,
    ];
  }

  /** Number of tokens in the session. */
  get length(): number {
    return this.#session.length;
  }

  get contextSize(): number {
    return this.#session.length + this.#session.remaining;
  }

  get scale(): number {
    return this.#session.view.scale;
  }

  /** Sets the factor for what the memory adds. The messages stay, and are read again. */
  setScale(scale: number): void {
    this.#restart({ ...this.#session.view, scale });
  }

  /** Removes all messages but the system message. */
  reset(): void {
    this.#messages.length = 0;
    this.#first = 0;
    this.#restart(this.#session.view);
  }

  /**
   * Adds `text` as the user's message and yields the answer in pieces. If the text is refused, or if the answer is aborted
   * before it begins, the message is removed. Throws `RequestError` for a text that does not fit into the context.
   */
  async *answer(
    text: string,
    { signal }: { signal?: AbortSignal } = {},
  ): AsyncGenerator<string, Answered> {
    const session = this.#session;
    const said = this.#messages.length;
    this.#messages.push({ role: "user", content: text });
    let answer = "";
    let numTokens = 0;
    let begun: number | undefined;
    const elapsed = (): number => (performance.now() - (begun ?? performance.now())) / 1000;
    try {
      const { ids, numForgotten } = await this.#prompt(signal);
      this.#answerStart = undefined;
      const { rest, numRead } = await this.#read(ids, signal);
      this.#answerStart = ids.length;
      const { maxTokens = this.contextSize, ...options } = this.#options;
      const end = (finishReason: Answered["finishReason"]): Answered => ({
        finishReason,
        numTokens,
        numRead,
        tokensPerSecond: numTokens > 1 ? (numTokens - 1) / elapsed() : 0,
        numForgotten,
      });
      const counted: Sampler = (logits, history) => {
        begun ??= performance.now();
        numTokens++;
        return options.sampler(logits, history);
      };
      const pieces = continueText(session, rest, {
        ...options,
        sampler: counted,
        maxTokens,
        signal,
      });
      try {
        for (;;) {
          const { done, value } = await pieces.next();
          if (done === true) return end(value.finishReason);
          answer += value;
          yield value;
        }
      } catch (error) {
        if (signal?.aborted !== true || error !== signal.reason) throw error;
        return end("abort");
      }
    } finally {
      if (answer === "" && numTokens === 0) this.#messages.length = said;
      else this.#messages.push({ role: "assistant", content: answer });
    }
  }

  /** The memory's gates at each token of the last answer. Reads these tokens again. */
  async gates(): Promise<GatedToken[]> {
    const session = this.#session;
    const start = this.#answerStart;
    const ids = session.ids.slice(start);
    if (start === undefined || ids.length === 0) return [];
    session.rewind(start);
    const { gates } = await session.append(ids);
    return ids.map((id, t) => ({
      id,
      gates: new Map(Array.from(gates, ([layer, values]) => [layer, values[t]!])),
    }));
  }

  #restart(view: View): void {
    this.#session.restart(view);
    this.#answerStart = undefined;
  }

  /**
   * Makes the prompt. If it does not fit, forgets turns until it fills at most half of the context: all that follows a
   * forgotten turn has to be read again, so this should be rare.
   */
  async #prompt(
    signal: AbortSignal | undefined,
  ): Promise<{ ids: readonly number[]; numForgotten: number }> {
    const { promptOf, maxTokens = Infinity } = this.#options;
    const { contextSize } = this;
    const make = (first: number): Promise<readonly number[]> => {
      const begin = this.messages.length - this.#messages.length;
      const kept = [...this.messages.slice(0, begin), ...this.#messages.slice(first)];
      return promptOf(kept, { signal });
    };
    const before = this.#first;
    let first = before;
    let ids = await make(first);
    if (ids.length + Math.min(maxTokens, contextSize / 4) > contextSize)
      while (ids.length > contextSize / 2 && first + 2 < this.#messages.length) {
        first += 2;
        ids = await make(first);
      }
    if (ids.length > contextSize)
      throw new RequestError(
        `this text makes ${ids.length} tokens by itself, and the context holds ${contextSize}; shorten it`,
      );
    this.#first = first;
    return { ids, numForgotten: (first - before) / 2 };
  }

  /** Reads `ids` up to a last chunk. Returns this chunk, and how many ids the session had not read before. */
  async #read(
    ids: readonly number[],
    signal: AbortSignal | undefined,
  ): Promise<{ rest: readonly number[]; numRead: number }> {
    const session = this.#session;
    const prefix = commonPrefix(session.ids, ids);
    session.rewind(prefix);
    let at = prefix;
    for (; ids.length - at > chunkLength; at += chunkLength) {
      signal?.throwIfAborted();
      await session.append(ids.slice(at, at + chunkLength));
    }
    return { rest: ids.slice(at), numRead: ids.length - prefix };
  }
}
