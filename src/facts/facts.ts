/** A model's facts with what teaching them needs of it: its tokenizer and how it converses. Knows no engine. */
import type { LanguageModel, Session } from "../inference/index.ts";
import type { Memory } from "../memory/memory.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { type WhenNeeded, whenNeeded } from "../when-needed.ts";
import type { FactRequest } from "./fact.ts";
import type { Selection } from "./contents.ts";
import type { Forgotten } from "./fact-store.ts";
import { type AnyStore, StoreWhenNeeded } from "./store-when-needed.ts";
import type { Learner, Taught, TeachOptions, WriteVectors } from "./teach.ts";
import type { ChatIds } from "./wording.ts";

/** Finds vectors for one model (`VectorWriter`). */
interface Writer {
  write: WriteVectors;
  dispose(): Promise<void>;
}

/** Most models are never taught: how it is done is loaded when one is. */
const teaching = (): Promise<typeof import("./teach.ts")> => import("./teach.ts");

/** The model that learns, as it is without what it was taught. */
export interface LearningModel {
  readonly language: LanguageModel;
  /** A timeline that sees nothing of what was taught. */
  openSession(): Session;
}

export interface ForgetOptions {
  readonly signal?: AbortSignal | undefined;
}

export class Facts {
  readonly store: AnyStore;
  readonly #tokenizer: Tokenizer;
  readonly #chatIds: ChatIds | undefined;
  readonly #close: (() => void) | undefined;
  readonly #writerFor: ((language: LanguageModel) => Writer | Promise<Writer>) | undefined;
  #writer: WhenNeeded<Writer> | undefined;
  /** Where the last teaching read: one made anew costs as much as reading a fact. */
  #session: Session | undefined;
  #numForgets = 0;

  /** `close` is called with its own. */
  constructor(
    store: AnyStore,
    {
      tokenizer,
      chatIds,
      writerFor,
      close,
    }: {
      tokenizer: Tokenizer;
      chatIds?: ChatIds | undefined;
      /** Called when a fact with a subject comes first. Absent: subjects have no vectors. */
      writerFor?: (language: LanguageModel) => Writer | Promise<Writer>;
      close?: () => void;
    },
  ) {
    this.#writerFor = writerFor;
    this.#close = close;
    this.store = store;
    this.#tokenizer = tokenizer;
    this.#chatIds = chatIds;
  }

  /** See `FactStore.memory`. */
  memory(base: Memory | undefined, scopes?: readonly string[]): Memory | undefined {
    return this.store.memory(base, scopes);
  }

  /** `load` is done before there is anything to read: now, where there may be something. */
  async beforeFirst(load: () => Promise<void>): Promise<void> {
    if (this.store instanceof StoreWhenNeeded) this.store.before(load);
    else await load();
  }

  /** Loads what changes take. */
  async load(): Promise<void> {
    if (this.store instanceof StoreWhenNeeded) await this.store.load();
  }

  /** See `teach`. */
  async teach(
    model: LearningModel,
    requests: readonly FactRequest[],
    options?: TeachOptions,
  ): Promise<Taught[]> {
    const { teach } = await teaching();
    const session = this.#session ?? model.openSession();
    this.#session = undefined;
    const forgets = this.#numForgets;
    try {
      return await teach({ ...this.#learner(model), session }, requests, options);
    } finally {
      // Its caches may have read what was forgotten meanwhile.
      if (forgets !== this.#numForgets || this.#session !== undefined) await session.dispose();
      else this.#session = session;
    }
  }

  /**
   * Erases facts, and what scopes have learned. Resolves to that when no file has anything of it, and what else was taught
   * of the facts' subjects has vectors of its own.
   */
  async forget(
    model: LearningModel,
    selection: Selection,
    { signal }: ForgetOptions = {},
  ): Promise<Forgotten> {
    // Before anything else, as `teach` does: what is asked first is done first.
    const { restoreVectors } = await teaching();
    const gone = await this.store.forget(selection);
    this.#numForgets++;
    await this.#dropSession();
    await restoreVectors(this.#learner(model), gone.facts, { signal });
    return gone;
  }

  #learner({ language }: Pick<LearningModel, "language">): Omit<Learner, "session"> {
    const writerFor = this.#writerFor;
    const writeVectors: WriteVectors = async (edits, options) => {
      this.#writer ??= whenNeeded(async () => writerFor!(language));
      return (await this.#writer()).write(edits, options);
    };
    return {
      tokenizer: this.#tokenizer,
      chatIds: this.#chatIds,
      store: this.store,
      writeVectors: writerFor && writeVectors,
    };
  }

  /** With what it has read in its caches. */
  async #dropSession(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.dispose();
  }

  async close(): Promise<void> {
    this.#close?.();
    await this.#dropSession();
    await this.#writer?.ifMade((writer) => writer.dispose());
    await this.store.close();
  }
}
