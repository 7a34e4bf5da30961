/** A model's facts with what teaching them needs of it: its tokenizer and how it converses. Knows no engine. */
import type { LanguageModel } from "../inference/index.ts";
import type { Memory } from "../memory/memory.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { type WhenNeeded, whenNeeded } from "../when-needed.ts";
import type { FactRequest } from "./fact.ts";
import type { Selection } from "./contents.ts";
import type { Forgotten } from "./fact-store.ts";
import { type AnyStore, StoreWhenNeeded } from "./store-when-needed.ts";
import type { Learner, Taught, TeachOptions, WriteVectors } from "./teach.ts";
import type { TextChances } from "./text-chances.ts";
import type { ChatIds } from "./wording.ts";

/** Finds vectors for one model (`VectorWriter`). */
interface Writer {
  write: WriteVectors;
  dispose(): Promise<void>;
}

/** Most models are never taught: how it is done is loaded when one is. */
const teaching = (): Promise<typeof import("./teach.ts")> => import("./teach.ts");
const reading = (): Promise<typeof import("./text-chances.ts")> => import("./text-chances.ts");

/** How to erase facts. */
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
  /** By which the last teaching read: its graphs take longer than a fact. */
  #chances: TextChances | undefined;
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

  /** See `teach`. `language` is the model as it is without what it was taught. */
  async teach(
    language: LanguageModel,
    requests: readonly FactRequest[],
    options?: TeachOptions,
  ): Promise<Taught[]> {
    // What is known of a subject, and what reads its vectors, is looked for before anything is found for it.
    const [{ teach }, { TextChances }] = await Promise.all([teaching(), reading(), this.load()]);
    const chances = this.#chances ?? new TextChances(language);
    this.#chances = undefined;
    const forgets = this.#numForgets;
    try {
      return await teach({ ...this.#learner(language), chances }, requests, options);
    } finally {
      // It may have read what was forgotten meanwhile.
      if (forgets !== this.#numForgets) chances.wipe();
      if (this.#chances !== undefined) await chances.dispose();
      else this.#chances = chances;
    }
  }

  /**
   * Erases facts, and what scopes have learned. Resolves to that when no file has anything of it, and what else was taught
   * of the facts' subjects has vectors of its own.
   */
  async forget(
    language: LanguageModel,
    selection: Selection,
    { signal }: ForgetOptions = {},
  ): Promise<Forgotten> {
    // Before anything else, as `teach` does: what is asked first is done first.
    const { restoreVectors } = await teaching();
    const gone = await this.store.forget(selection);
    this.#numForgets++;
    this.#chances?.wipe();
    await restoreVectors(this.#learner(language), gone.facts, { signal });
    return gone;
  }

  #learner(language: LanguageModel): Omit<Learner, "chances"> {
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

  async close(): Promise<void> {
    this.#close?.();
    await this.#chances?.dispose();
    await this.#writer?.ifMade((writer) => writer.dispose());
    await this.store.close();
  }
}
