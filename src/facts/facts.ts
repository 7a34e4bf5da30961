/** A model's facts with what teaching them needs of it: its tokenizer and how it converses. Knows no engine. */
import type { Session } from "../inference/index.ts";
import type { Memory } from "../memory/memory.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import type { FactRequest } from "./fact.ts";
import type { FactStore } from "./fact-store.ts";
import { teach, type Taught, type TeachOptions } from "./teach.ts";
import type { ChatIds } from "./wording.ts";

export class Facts {
  readonly store: FactStore;
  readonly #tokenizer: Tokenizer;
  readonly #chatIds: ChatIds | undefined;
  readonly #close: (() => void) | undefined;

  /** `close` is called with its own. */
  constructor(
    store: FactStore,
    {
      tokenizer,
      chatIds,
      close,
    }: { tokenizer: Tokenizer; chatIds?: ChatIds | undefined; close?: () => void },
  ) {
    this.#close = close;
    this.store = store;
    this.#tokenizer = tokenizer;
    this.#chatIds = chatIds;
  }

  /** See `FactStore.memory`. */
  memory(base: Memory | undefined, scopes?: readonly string[]): Memory | undefined {
    return this.store.memory(base, scopes);
  }

  /** See `teach`. `openSession` opens a timeline that sees nothing of what was taught. */
  teach(
    openSession: () => Session,
    requests: readonly FactRequest[],
    options?: TeachOptions,
  ): Promise<Taught[]> {
    const learner = {
      tokenizer: this.#tokenizer,
      chatIds: this.#chatIds,
      store: this.store,
      openSession,
    };
    return teach(learner, requests, options);
  }

  async close(): Promise<void> {
    this.#close?.();
    await this.store.close();
  }
}
