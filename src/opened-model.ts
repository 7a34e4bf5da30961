/**
 * An open model: one language model with its tokenizer, its memory, and what it was taught. Sessions and views of that
 * memory come from here. Does not know how it was opened, nor from what files.
 */
import { warmCaches } from "./at-rest/index.ts";
import { DisposalStack } from "./disposal-stack.ts";
import { InvalidConfigError, RequestError } from "./errors.ts";
import type {
  Fact,
  FactRequest,
  Facts,
  ForgetOptions,
  Forgotten,
  Quota,
  Selection,
  Taught,
  TeachOptions,
  TextToLearn,
} from "./facts/index.ts";
import {
  Decoder,
  type LanguageModel,
  type MemoryReport,
  reportMemory,
  type SamplingOptions,
  type Session,
  type SessionOptions,
  withoutMemory,
} from "./inference/index.ts";
import {
  composed,
  type CountedMemory,
  countsOf,
  type HashedMemory,
  type Memory,
  rowsOf,
} from "./memory/index.ts";
import type { LearnedCounts } from "./learned-counts.ts";
import type { ModelConfig } from "./model/index.ts";
import type { ModelPacks } from "./packs/index.ts";
import type { Tokenizer } from "./tokenizer/index.ts";

const CANNOT_BE_TAUGHT = "this model was opened where nothing can be taught; use loadModel";

/** An open model. `close` it to give its memory back. */
export class Model {
  readonly path: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly language: LanguageModel;
  /** Jinja source that turns messages into a prompt; a base model has none. */
  readonly chatTemplate: string | undefined;
  /** How its tokens are chosen where nobody says it, by generation_config.json. */
  readonly sampling: SamplingOptions;
  /** What it was taught; undefined where it can be taught nothing. */
  readonly taught: Facts | undefined;
  /** The counts of its memory. */
  readonly counts: CountedMemory | undefined;
  /** Counts that are read beside its own; undefined where it was opened with none. */
  readonly packs: ModelPacks | undefined;
  readonly #learned: (() => LearnedCounts | undefined) | undefined;
  readonly #decoders = new Map<boolean, Decoder>();
  readonly #ownsBackend: boolean;
  readonly #corpus: Uint8Array | (() => Promise<Uint8Array | undefined>) | undefined;
  readonly #closing = new AbortController();
  /** Settles when the caches of its tables are as warm as they get without being used. */
  readonly warmed: Promise<void>;

  constructor(
    path: string,
    parts: {
      tokenizer: Tokenizer;
      language: LanguageModel;
      ownsBackend: boolean;
      /** What `corpus` resolves to. Default: undefined. */
      corpus?: Uint8Array | (() => Promise<Uint8Array | undefined>) | undefined;
      chatTemplate?: string | undefined;
      sampling?: SamplingOptions;
      taught?: Facts | undefined;
      /** Counts what its scopes learn; there before they have any. Default: it can learn nothing that it reads. */
      learned?: (() => LearnedCounts | undefined) | undefined;
      counts?: CountedMemory | undefined;
      packs?: ModelPacks | undefined;
      warm?: boolean;
    },
  ) {
    // With packs, the memory's distributions are not those of its own counts alone.
    this.counts = parts.packs === undefined ? countsOf(parts.language.memory) : parts.counts;
    this.packs = parts.packs;
    this.taught = parts.taught;
    this.#learned = parts.learned;
    this.sampling = parts.sampling ?? {};
    this.chatTemplate = parts.chatTemplate;
    this.path = path;
    this.tokenizer = parts.tokenizer;
    this.language = parts.language;
    this.config = this.language.config;
    this.#ownsBackend = parts.ownsBackend;
    this.#corpus = parts.corpus;
    const tables = parts.warm === true ? (this.rows?.tables ?? []) : [];
    this.warmed = warmCaches(tables, this.#closing.signal);
  }

  get hasMemory(): boolean {
    return this.language.memory !== undefined;
  }

  /** The learned rows of its memory. */
  get rows(): HashedMemory | undefined {
    return rowsOf(this.language.memory);
  }

  /** The model as it runs with its memory, or without. */
  languageModel({ memory = this.hasMemory }: { memory?: boolean } = {}): LanguageModel {
    if (memory && !this.hasMemory)
      throw new InvalidConfigError("the model was opened without a memory, or has none");
    return memory ? this.language : withoutMemory(this.language);
  }

  /**
   * A timeline of its own; many may be open. It sees what was taught until now in these scopes, by default in "default",
   * and nothing that is taught or forgotten later; and these packs, by default all that the model was opened with.
   */
  createSession({
    memory = this.hasMemory,
    scopes,
    packs,
    view,
  }: { memory?: boolean; scopes?: readonly string[]; packs?: readonly string[] } & Pick<
    SessionOptions,
    "view"
  > = {}): Session {
    const language = this.languageModel({ memory });
    const key = language.memory !== undefined;
    let decoder = this.#decoders.get(key);
    if (decoder === undefined) this.#decoders.set(key, (decoder = new Decoder(language)));
    const base = memory ? this.#counting({ packs, scopes }) : undefined;
    const read = this.#withTaught(view?.memory ?? base, scopes);
    return decoder.createSession({ view: { ...view, memory: read } });
  }

  /**
   * What a text reads from now on, in place of the model's memory: with the facts of these scopes (default: "default") and
   * these packs (default: all). `change` is made to all but the facts, as by `withoutParts`. Throws `RequestError` for
   * packs that it does not have.
   */
  memoryFor({
    scopes,
    packs,
    change = (memory) => memory,
  }: {
    scopes?: readonly string[] | undefined;
    packs?: readonly string[] | undefined;
    change?: ((memory: Memory) => Memory) | undefined;
  } = {}): Memory | undefined {
    const memory = this.#counting({ packs, scopes });
    return this.#withTaught(memory && change(memory), scopes);
  }

  /** The model's own memory with the counts of these packs, and of what these scopes have learned. */
  #counting({
    packs: names,
    scopes,
  }: {
    packs?: readonly string[] | undefined;
    scopes?: readonly string[] | undefined;
  }): Memory | undefined {
    const learned =
      (this.#learned && this.language.memory && this.taught?.store.learned(scopes)) ?? [];
    if (names === undefined && learned.length === 0) return this.language.memory;
    if (this.packs === undefined && (names ?? []).length > 0)
      throw new RequestError("the model was opened without packs");
    const counts = this.packs?.memory(this.counts, names) ?? this.counts;
    const all = counts && learned.length > 0 ? this.#learned!()!.over(counts, learned) : counts;
    return composed([this.rows, all]);
  }

  /** `base` is undefined where the memory is off. */
  #withTaught(base: Memory | undefined, scopes: readonly string[] | undefined): Memory | undefined {
    return this.taught === undefined ? base : this.taught.memory(base, scopes);
  }

  /**
   * Teaches facts, all or none: what follows the prompt of each, in the requests of its scope, from now on and until it
   * is forgotten. Nothing else changes, to the last bit of every logit. Throws `RequestError` for what cannot be taught.
   */
  async teach(facts: readonly FactRequest[], options?: TeachOptions): Promise<Taught[]> {
    return this.#facts.teach(this.language, facts, options);
  }

  /**
   * Counts a text that was read, into what its scope has learned: texts that begin from now on and read that scope have its
   * counts beside the model's own. What it begins with is not counted again, if that was a whole text before. Throws
   * `InvalidConfigError` for a model that does not weigh counts.
   */
  async learn(text: TextToLearn, quota?: Quota): Promise<void> {
    this.checkLearning();
    const facts = this.#facts;
    await facts.load();
    return this.#learned!()!.learn(text, { store: facts.store, config: this.config, quota });
  }

  /** Throws `InvalidConfigError` for a model that cannot learn what it reads. */
  checkLearning(): void {
    if (this.#learned === undefined) throw new InvalidConfigError(CANNOT_BE_TAUGHT);
    if (this.config.counted === undefined)
      throw new InvalidConfigError(
        "this model weighs no counts, so it cannot learn what it reads; give it a reader " +
          "(engram reader train, then --pack), or train one with counts",
      );
  }

  /** Erases facts, and what scopes have learned. Resolves to that when no file has anything of it. */
  async forget(selection: Selection, options?: ForgetOptions): Promise<Forgotten> {
    return this.#facts.forget(this.language, selection, options);
  }

  /** What it was taught, the oldest first. Default: in all scopes. */
  facts(scopes?: readonly string[]): Fact[] {
    return this.taught?.store.facts(scopes).map(({ fact }) => fact) ?? [];
  }

  get #facts(): Facts {
    if (this.taught !== undefined) return this.taught;
    throw new InvalidConfigError(CANNOT_BE_TAUGHT);
  }

  /** Where the tables lie and what their caches did, and what look-ups cost this model's sessions. */
  get memoryReport(): MemoryReport | undefined {
    const { memory } = this.language;
    return memory && reportMemory(memory, this.#decoders.get(true)?.meter);
  }

  /**
   * How often n-grams were met in training, as a file of counts of ids (`readNgramBytes`), read anew; undefined where
   * the model does not say. Throws `FormatError` for a file that is not what was saved.
   */
  async corpus(): Promise<Uint8Array | undefined> {
    return typeof this.#corpus === "function" ? this.#corpus() : this.#corpus;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.tokenizer.close?.();
    await this.warmed;
    await using parts = new DisposalStack();
    if (this.#ownsBackend) parts.adopt(this.language.backend, (one) => one.dispose());
    for (const { store } of this.rows?.tables ?? []) parts.adopt(store, (one) => one.close());
    if (this.counts !== undefined) parts.adopt(this.counts.table.buckets, (one) => one.close());
    parts.adopt(this.taught, (one) => one?.close());
    parts.adopt(this.packs, (one) => one?.close());
    for (const decoder of this.#decoders.values()) parts.adopt(decoder, (one) => one.dispose());
    this.#decoders.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
