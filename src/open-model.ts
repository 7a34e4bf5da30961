/**
 * A model's files -> a model that runs: tokenizer, weights, tables and engine put together. The only place that knows
 * all four. Knows no platform: where the files are, what computes and what machine this is, it is told.
 */
import { type OpenElsewhere, openTable, warmCaches, type WrapStore } from "./at-rest/index.ts";
import type { ByteSource } from "./bytes/index.ts";
import { checkModel } from "./check-model.ts";
import type { KeepArrays, ModelFiles } from "./checkpoint/index.ts";
import { DisposalStack } from "./disposal-stack.ts";
import { FormatError, InvalidConfigError, RequestError } from "./errors.ts";
import type {
  Fact,
  FactRequest,
  Facts,
  ForgetOptions,
  Selection,
  Taught,
  TeachOptions,
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
import type { MemoryUse, ModelSizes } from "./machine/index.ts";
import {
  type Ablation,
  buildAddressing,
  buildTokenMap,
  checkStoredConstants,
  composed,
  compressedPad,
  countsOf,
  countedMemory,
  type CountedMemory,
  type Memory,
  type EngramLayout,
  HashedMemory,
  type RamStoreOptions,
  type RetrievalTable,
  rowsOf,
  type RowStore,
  type TokenMap,
  withoutParts,
} from "./memory/index.ts";
import { keyValueBytes, type ModelConfig, type WeightDtype } from "./model/index.ts";
import type { ModelPacks } from "./packs/index.ts";
import { openModelFiles } from "./open-files.ts";
import {
  canBePacked,
  dtypeToHold,
  type HeldDtype,
  readWeights,
  weightBytes,
} from "./model-weights.ts";
import type { Backend, Values } from "./tensor/index.ts";
import { checkTokenizer, samplingDefaults, tokenizerSettings } from "./text-settings.ts";
import { encodeTasks, openTokenizer, type Tokenizer } from "./tokenizer/index.ts";
import { onThisThread, type StartWorker } from "./worker/index.ts";

/** For tables that are read from elsewhere. */
const DEFAULT_CACHE_BYTES = 256 * 2 ** 20;

/** What a platform has to run a model with. */
export interface Engine {
  /** What a function makes belongs to the model, and is disposed of with it. */
  readonly backend: Backend | (() => Backend);
  /**
   * Starts a thread that cuts texts into tokens by the patterns of the model's author. Default: that is done here, and a
   * pattern that takes for ever cannot be stopped.
   */
  readonly startWorker?: StartWorker;
  /** Told what a model takes before anything large is allocated; throws where it does not fit. Default: not asked. */
  readonly admit?: (sizes: ModelSizes, use: MemoryUse) => void;
  /** Called with the memory of tables before its first use. */
  readonly advise?: RamStoreOptions["advise"];
  /** Packed weights of an earlier start in place of those that packing would make. Default: they are packed. */
  readonly keepPacked?: KeepArrays;
  /** Opens what the model was taught, and can be. Default: it can be taught nothing. */
  readonly openFacts?: (of: {
    readonly tokenizer: Tokenizer;
    readonly chatTemplate: string | undefined;
  }) => Promise<Facts>;
  /** Opens counts that are read beside the model's own. Default: none are. */
  readonly openPacks?:
    | ((of: {
        readonly tokenizer: Tokenizer;
        readonly config: ModelConfig;
      }) => Promise<PacksToRead>)
    | undefined;
}

export interface PacksToRead extends ModelPacks {
  /** Reads them whole. Returns the model with what weighs them, if it has nothing that does. */
  readFor<Of extends Pick<LanguageModel, "config" | "params" | "quantized">>(
    model: Of,
  ): Promise<Of>;
}

/** What of a model is held where. */
export interface Placement {
  /** false opens the model without its tables. Default true. */
  readonly memory?: boolean;
  /**
   * Bytes of memory for all tables together: they stay in their files, behind caches of that size. Default: tables
   * are read into memory whole, and must fit.
   */
  readonly tableMemory?: number;
  /**
   * Opens the tables, if they are not among the model's files, which then need not have them. They are read from there
   * behind `tableMemory` bytes of RAM, by default 256 MiB.
   */
  readonly elsewhere?: OpenElsewhere | undefined;
  /**
   * Whether those caches are filled in the background with the rows used most in training, where the directory says
   * which these are. Default true; false is for measuring.
   */
  readonly warm?: boolean;
  /**
   * How to hold the weights: as numbers, or packed in 8 or 4 bits, which are then multiplied as they are. Default:
   * as they rest in the directory.
   */
  readonly dtype?: WeightDtype | undefined;
  /**
   * Called with each store of a table as it is opened, from the innermost to the outermost; what it returns takes
   * the store's place. Where meters go (`TableTraffic`).
   */
  readonly wrapStore?: WrapStore;
  /** Texts that will be open at a time, and their length, for the plan. Default: one of the longest. */
  readonly texts?: number;
  readonly contextSize?: number | undefined;
}

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
      counts?: CountedMemory | undefined;
      packs?: ModelPacks | undefined;
      warm?: boolean;
    },
  ) {
    // With packs, the memory's distributions are not those of its own counts alone.
    this.counts = parts.packs === undefined ? countsOf(parts.language.memory) : parts.counts;
    this.packs = parts.packs;
    this.taught = parts.taught;
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
    const base = memory ? this.#withPacks(packs) : undefined;
    const read = this.#withTaught(view?.memory ?? base, scopes);
    return decoder.createSession({ view: { ...view, memory: read } });
  }

  /**
   * What a text reads from now on, in place of the model's memory: with the facts of these scopes (default: "default") and
   * these packs (default: all), and without some parts of its rows, if they are to be ablated. Throws `RequestError` for
   * packs and parts that it does not have.
   */
  memoryFor({
    scopes,
    packs,
    ablate,
  }: {
    scopes?: readonly string[] | undefined;
    packs?: readonly string[] | undefined;
    ablate?: Ablation | undefined;
  } = {}): Memory | undefined {
    const memory = this.#withPacks(packs);
    const base =
      memory === undefined || ablate === undefined ? memory : withoutParts(memory, ablate);
    return this.#withTaught(base, scopes);
  }

  #withPacks(names: readonly string[] | undefined): Memory | undefined {
    if (names === undefined) return this.language.memory;
    if (this.packs === undefined && names.length > 0)
      throw new RequestError("the model was opened without packs");
    return composed([this.rows, this.packs?.memory(this.counts, names) ?? this.counts]);
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
    return this.#facts.teach(this.#learning(), facts, options);
  }

  /** Erases facts. Resolves to them when no file has anything of them. */
  async forget(selection: Selection, options?: ForgetOptions): Promise<Fact[]> {
    return this.#facts.forget(this.#learning(), selection, options);
  }

  #learning(): Parameters<Facts["teach"]>[0] {
    return { language: this.language, openSession: () => this.createSession({ scopes: [] }) };
  }

  /** What it was taught, the oldest first. Default: in all scopes. */
  facts(scopes?: readonly string[]): Fact[] {
    return this.taught?.store.facts(scopes).map(({ fact }) => fact) ?? [];
  }

  get #facts(): Facts {
    if (this.taught !== undefined) return this.taught;
    throw new InvalidConfigError(
      "this model was opened where nothing can be taught; use loadModel",
    );
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

/**
 * Opens the model whose files are in `source`. Throws `FormatError` for files that are not what they should be, and
 * `InvalidConfigError` with the numbers where tokenizer, configuration and tables do not belong
 * together or the tables do not fit into memory. Nothing large is allocated before all that is checked.
 */
export async function openModel(
  source: ByteSource,
  engineOfPlatform: Engine,
  placement: Placement = {},
): Promise<Model> {
  const {
    backend,
    startWorker = onThisThread(encodeTasks),
    admit,
    advise,
    keepPacked,
    openFacts,
    openPacks,
  } = engineOfPlatform;
  const { memory = true, dtype, texts = 1, contextSize, elsewhere } = placement;
  const { wrapStore = asItIs, warm = true } = placement;
  await using files = await openModelFiles(source);
  const checked = await checkModel(files, { memory, elsewhere });
  const { config, layout, counts: countsAtRest } = checked;
  const atRest = [...checked.tables, ...(countsAtRest === undefined ? [] : [countsAtRest.table])];
  await using opened = new DisposalStack();
  const sampling = samplingDefaults(files);
  const tokenizer = opened.adopt(await readTokenizer(files, { config, startWorker }), (one) =>
    one.close?.(),
  );
  checkTokenizer(files, config, tokenizer);
  const packs = opened.adopt(await openPacks?.({ tokenizer, config }), (one) => one?.close());
  const parts =
    layout === undefined ? undefined : prepareMemory(files, { config, layout, tokenizer });
  const weightDtype = dtypeToHold(files, checked.tensors, dtype);
  const sizes = atRest.map(({ layerId, numRows, format: { rowBytes } }) => ({
    layerId,
    numRows,
    rowBytes,
  }));
  const tableBytes = sizes.reduce((sum, { numRows, rowBytes }) => sum + numRows * rowBytes, 0);
  const tableMemory =
    placement.tableMemory ??
    (elsewhere === undefined ? undefined : Math.min(DEFAULT_CACHE_BYTES, 2 * tableBytes));
  const bytesAs = (as: HeldDtype): number =>
    weightBytes(checked, as) + (countsAtRest?.directoryBytes ?? 0) + (packs?.numBytes ?? 0);
  admit?.(
    {
      weightBytes: bytesAs(weightDtype),
      packedBytes: canBePacked(checked.tensors, weightDtype)
        ? { q8: bytesAs("q8"), q4: bytesAs("q4") }
        : {},
      positionBytes: keyValueBytes(config),
      tables: sizes,
    },
    { positions: texts * Math.min(contextSize ?? Infinity, config.maxPositions), tableMemory },
  );
  const ownsBackend = typeof backend === "function";
  const engine = ownsBackend ? opened.adopt(backend(), (one) => one.dispose()) : backend;
  const [weights] = await Promise.all([
    readWeights(files, checked, { dtype: weightDtype, keepPacked }),
    engine.ready?.(),
  ]);
  const read = { config, ...weights };
  const weighed = (await packs?.readFor(read)) ?? read;
  const params = placed(engine, weighed.params);
  const cacheBytes = tableMemory && tableMemory / atRest.length;
  const tables: RetrievalTable[] = [];
  for (const atRestTable of atRest) {
    const table = await openTable(atRestTable, {
      cacheBytes,
      files,
      wrapStore,
      ...(advise && { advise }),
    });
    opened.adopt(table.store, (store) => store.close());
    tables.push(table);
  }
  let counts: CountedMemory | undefined;
  if (countsAtRest !== undefined) {
    const { store: buckets, layerId } = tables.pop()!;
    counts = await countedMemory({ ...(await countsAtRest.directory()), buckets }, { layerId });
  }
  const chatTemplate = await files.chatTemplate();
  const taught = opened.adopt(await openFacts?.({ tokenizer, chatTemplate }), (one) =>
    one?.close(),
  );
  const rows = memory && parts !== undefined ? new HashedMemory({ ...parts, tables }) : undefined;
  const full: LanguageModel = {
    config: weighed.config,
    backend: engine,
    params,
    quantized: weights.quantized,
    memory: composed([rows, packs?.memory(counts) ?? counts]),
  };
  const language = full.memory === undefined ? withoutMemory(full) : full;
  opened.move();
  return new Model(source.name, {
    tokenizer,
    language,
    ownsBackend,
    // Most never ask for it.
    corpus: async () => (await import("./corpus-of-text.ts")).readCorpus(source),
    chatTemplate,
    sampling,
    taught,
    counts,
    packs,
    warm,
  });
}

/** The weights, which are in every run, where the engine reads them in place. */
function placed(engine: Backend, params: Values): Values {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, engine.place?.(value) ?? value]),
  );
}

function asItIs(store: RowStore): RowStore {
  return store;
}

async function readTokenizer(
  files: ModelFiles,
  { config, startWorker }: { config: ModelConfig; startWorker: StartWorker },
): Promise<Tokenizer> {
  const text = await files.tokenizer();
  if (text === undefined)
    throw new FormatError(`${files.path}: tokenizer.json is missing; the model is not complete`);
  return openTokenizer(text, { startWorker, ...tokenizerSettings(files, config) });
}

function prepareMemory(
  files: ModelFiles,
  {
    config,
    layout,
    tokenizer,
  }: { config: ModelConfig; layout: EngramLayout; tokenizer: Tokenizer },
) {
  const tokenMap = buildTokenMap(tokenizer);
  checkAddresses(files, { config, layout, tokenMap });
  return { tokenMap, addressing: buildAddressing(layout, compressedPad(config.engram!, tokenMap)) };
}

/** Throws `InvalidConfigError` where ids would lead to other rows than the model was trained with. */
export function checkAddresses(
  files: ModelFiles,
  {
    config: { engram },
    layout,
    tokenMap,
  }: { config: ModelConfig; layout: EngramLayout; tokenMap: TokenMap },
): void {
  if (tokenMap.compressedVocabSize !== engram!.compressedVocabSize)
    throw new InvalidConfigError(
      `${files.path}: config.json expects ${engram!.compressedVocabSize} compressed ids ` +
        `(engram_compressed_vocab_size), tokenizer.json gives ${tokenMap.compressedVocabSize}; every ` +
        "address would change, so this tokenizer does not belong to this model",
    );
  checkStoredConstants(layout, files.config);
}
