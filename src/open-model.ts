/**
 * A model's files -> a model that runs (`opened-model.ts`): tokenizer, weights, tables and engine put together. The only
 * place that knows all four. Knows no platform: where the files are, what computes and what machine this is, it is told.
 */
import { type OpenElsewhere, openTable, type WrapStore } from "./at-rest/index.ts";
import type { ByteSource } from "./bytes/index.ts";
import { checkAddresses, checkModel } from "./check-model.ts";
import { type KeepArrays, MissingFileError, type ModelFiles } from "./checkpoint/index.ts";
import { DisposalStack } from "./disposal-stack.ts";
import type { Facts } from "./facts/index.ts";
import { type LanguageModel, withoutMemory } from "./inference/index.ts";
import type { LearnedCounts } from "./learned-counts.ts";
import type { MemoryUse, ModelSizes } from "./machine/index.ts";
import {
  buildAddressing,
  buildTokenMap,
  composed,
  compressedPad,
  countedMemory,
  type CountedMemory,
  type EngramLayout,
  HashedMemory,
  type RamStoreOptions,
  type RetrievalTable,
} from "./memory/index.ts";
import { blockRows, keyValueBytes, type ModelConfig, type WeightDtype } from "./model/index.ts";
import {
  canBePacked,
  dtypeToHold,
  type HeldDtype,
  readWeights,
  weightBytes,
} from "./model-weights.ts";
import { openModelFiles } from "./open-files.ts";
import { Model } from "./opened-model.ts";
import type { ModelPacks } from "./packs/index.ts";
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
  /** Called with the memory of tables and of unpacked weights before its first use. */
  readonly advise?: RamStoreOptions["advise"];
  /** Packed weights of an earlier start in place of those that packing would make. Default: they are packed. */
  readonly keepPacked?: KeepArrays;
  /** Opens what the model was taught, and can be. Default: it can be taught nothing. */
  readonly openFacts?: (of: {
    readonly tokenizer: Tokenizer;
    readonly config: ModelConfig;
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
  const { wrapStore = (store) => store, warm = true } = placement;
  await using files = await openModelFiles(source);
  // Over a network each of them costs a wait.
  const readingTokenizer = Promise.resolve(files.tokenizerFile?.() ?? files.tokenizer());
  const readingTemplate = files.chatTemplate();
  for (const one of [readingTokenizer, readingTemplate]) one.catch(() => undefined);
  const checked = await checkModel(files, { memory, elsewhere });
  const { config, layout, counts: countsAtRest } = checked;
  const atRest = [...checked.tables, ...(countsAtRest === undefined ? [] : [countsAtRest.table])];
  await using opened = new DisposalStack();
  const sampling = samplingDefaults(files);
  const ownsBackend = typeof backend === "function";
  const engine = ownsBackend ? opened.adopt(backend(), (one) => one.dispose()) : backend;
  // First what starts on a thread of its own, while this one reads the vocabulary.
  const starting = engine.ready?.();
  starting?.catch(() => undefined);
  const vocabulary = await readingTokenizer;
  if (vocabulary === undefined) throw new MissingFileError(files.path, "tokenizer.json");
  const tokenizer = opened.adopt(
    await openTokenizer(vocabulary, { startWorker, ...tokenizerSettings(files, config) }),
    (one) => one.close?.(),
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
  const weights = await readWeights(files, checked, { dtype: weightDtype, keepPacked, advise });
  const read = { config, ...weights };
  const weighed = (await packs?.readFor(read)) ?? read;
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
  const chatTemplate = await readingTemplate;
  const taught = opened.adopt(await openFacts?.({ tokenizer, config, chatTemplate }), (one) =>
    one?.close(),
  );
  let learned: LearnedCounts | undefined;
  await taught?.beforeFirst(async () => {
    learned = new (await import("./learned-counts.ts")).LearnedCounts();
  });
  // Only now: in a page it comes over the network, as the files do.
  await starting;
  // Packed matrices have a layout of their own.
  const rowBlock = weights.quantized.size === 0 ? await engine.rowBlock?.() : undefined;
  const inOrder =
    rowBlock === undefined ? weighed.params : blockRows(weighed.config, weighed.params, rowBlock);
  const params = placed(engine, inOrder);
  const rows = memory && parts !== undefined ? new HashedMemory({ ...parts, tables }) : undefined;
  const full: LanguageModel = {
    config: weighed.config,
    backend: engine,
    params,
    quantized: weights.quantized,
    rowBlock,
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
    learned: taught && (() => learned),
    counts,
    packs,
    warm,
  });
}

/** The weights, which are in every run, where the engine reads them in place. */
function placed(engine: Backend, params: Values): Values {
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, engine.place?.(value, "read") ?? value]),
  );
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
