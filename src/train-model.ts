/**
 * Text files -> a model directory: tokenizer, token stream, training, checkpoints, the finished model. Beside
 * `load-model.ts` the second place that combines text, memory and model. Reports progress through `onEvent`; does not
 * print.
 *
 * In the output directory:
 *     run.json              what the run is, with all that is needed to make it again
 *     metrics.jsonl         what the run is to be, then one line a step
 *     training.json         what came of it (`TrainResult`)
 *     checkpoints/          while the run goes on; removed once the model is saved
 *     README.md             its model card
 *     config.json, …        the model, at the end
 */
import { countedSources } from "./at-rest/index.ts";
import { tablesFrom, trainedTables } from "./at-rest/node/index.ts";
import { type BeginningOptions, checkTableMemory, findBeginning } from "./beginning.ts";
import { corpusOfText } from "./corpus-of-text.ts";
import { DisposalStack } from "./disposal-stack.ts";
import { InvalidConfigError } from "./errors.ts";
import { checkPlan, describePlan } from "./machine/index.ts";
import { readMachineMemory } from "./machine/node/index.ts";
import { type RetrievalTable, rowFormat } from "./memory/index.ts";
import { type ModelConfig, numParams, paramSpecs } from "./model/index.ts";
import { checkPreset } from "./model-of-preset.ts";
import { createParts } from "./model-to-train.ts";
import { planTraining } from "./plan-training.ts";
import { runTraining, type TrainEvent, type TrainSummary } from "./run-training.ts";
import { configFile, saveModel } from "./save-model.ts";
import type { Backend } from "./tensor/index.ts";
import { toTokenizerJson, trainBpe } from "./tokenizer/index.ts";
import { openTokenizerFile } from "./tokenizer/node/index.ts";
import { type Document, modelCard, packDocuments, windowsPerEpoch } from "./training/index.ts";
import {
  checkTexts,
  describeRun,
  fingerprint,
  HOLD_OUT_RULE,
  readAll,
  readPart,
  RunDirectory,
} from "./training/node/index.ts";

export type { TrainEvent } from "./run-training.ts";

/** What to train, on what, and where to leave it. */
export interface TrainModelOptions extends BeginningOptions {
  readonly data: readonly string[];
  /** Texts to validate on. Without them a part of `data` is held out (see `readPart`). */
  readonly valid?: readonly string[];
  readonly out: string;
  readonly backend: Backend;
  readonly seed?: number;
  /** Rows that tables begin with, in place of zeros: of each layer's size. A `tableLrFactor` of 0 leaves them so. */
  readonly startTables?: readonly RetrievalTable[];
  readonly resume?: boolean;
  /** Steps between checkpoints. Default: a tenth of the run. */
  readonly checkpointEvery?: number;
  /** Begins the samples shown on the way. */
  readonly samplePrompt?: string;
  readonly onEvent?: (event: TrainEvent) => void;
  /** Aborting saves a checkpoint and rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The command line, for run.json, with paths that may be published (`publicName`). */
  readonly command?: string;
}

/** The result of a run; training.json has the same, without `out`. */
export interface TrainResult extends TrainSummary {
  readonly out: string;
}

/**
 * Trains a model and saves it. Throws `InvalidConfigError` or `FormatError` for unusable settings and texts before
 * anything is written. When aborted, it saves a checkpoint and rejects with the signal's reason.
 */
export async function trainModel(options: TrainModelOptions): Promise<TrainResult> {
  const { out, seed = 0, memory = true, resume = false, signal } = options;
  const emit = options.onEvent ?? (() => undefined);
  const say = (text: string): void => emit({ type: "phase", text });
  await using owned = new DisposalStack();
  const { origin, presetName, preset, overrides } = await findBeginning(options);
  if (origin !== undefined) owned.adopt(origin, (one) => one.close());
  const recipe = preset.training;
  const { train = "all" } = options;
  // Refuses sizes that do not fit together before it trains a tokenizer, which may take minutes.
  checkPreset(preset, { memory, goesOn: origin !== undefined });
  if (options.tableMemory !== undefined) checkTableMemory(preset, memory);
  await using run = await RunDirectory.open(out, { resume, onNote: say, signal });
  await checkTexts([...options.data, ...(options.valid ?? [])], { isReadOnce: false });
  const tokenizerJson =
    run.tokenizer ??
    origin?.tokenizer ??
    options.tokenizer ??
    (await trainTokenizer(options, preset.vocabSize));
  if (options.tokenizer !== undefined && options.tokenizer !== tokenizerJson)
    throw new InvalidConfigError(
      `${out} was begun with another tokenizer; resume without --tokenizer, or use another --out`,
    );
  const tokenizer = owned.adopt(
    await (origin?.openTokenizer() ?? openTokenizerFile(tokenizerJson)),
    (one) => one.close?.(),
  );
  say("reading the text");
  const stream = await packDocuments(documents(options, "train"), tokenizer, { signal });
  const valid = await packDocuments(documents(options, "valid"), tokenizer, { signal });
  // Too short a text is refused before anything is made of it.
  windowsPerEpoch(stream.tokens.length, recipe.length);

  const { tableMemory } = options;
  const plan = (model: ModelConfig): void => {
    const planned = planTraining(model, {
      recipe,
      counting: { ...preset.counted, text: stream },
      machine: readMachineMemory(),
      tableMemory,
      train,
    });
    say(describePlan(planned));
    checkPlan(planned, {
      subject: `training into ${out}`,
      advice:
        recipe.rowFolds > 0 || model.counted !== undefined
          ? "take fewer folds, a smaller table or shorter counted n-grams (--set), or leave the memory out (--no-memory)"
          : "take a smaller preset, keep the table on disk (--table-memory), or leave it out (--no-memory)",
    });
  };
  const parts = await createParts({
    preset,
    origin,
    train,
    tokenizer,
    seed,
    memory,
    plan,
    makeTables: (shapes, columns) =>
      trainedTables(shapes, {
        columns,
        positions: recipe.batch * recipe.length * recipe.accumulate,
        folds: recipe.rowFolds,
        tableMemory,
        directory: run.rowLogs,
      }),
  });
  const { config, layout, arrays, tables } = parts;
  for (const table of tables) owned.adopt(table, (one) => one.close());
  const begin = tablesFrom(options.startTables ?? (await origin?.tables()), tables);
  const from = await origin?.describe(signal);
  // The tokenizer says where documents start, and checkpoints of earlier versions do not.
  const { documentStart: _, ...sizes } = config;
  const identity = {
    recipe,
    seed,
    config: sizes,
    text: fingerprint(stream),
    heldOut: fingerprint(valid),
    ...(from && { from: from.map(({ sha256 }) => sha256), train }),
    ...(config.counted && { counted: preset.counted }),
    ...(options.valid === undefined && { holdOut: HOLD_OUT_RULE }),
  };
  const { eosTokenId = 0 } = tokenizer;
  const texts = origin?.texts;
  const settings = configFile(config, { eosTokenId, texts });
  const isResumed = await run.restore({ identity, layout, arrays, tables });
  const numRows = tables.reduce((n, table) => n + table.numRows, 0);
  const weights = numParams(paramSpecs(config));
  await run.begin({ steps: recipe.steps, numParams: weights, numRows });
  const record = await describeRun({
    command: options.command,
    presetName,
    origin: from && { from, train },
    preset: {
      ...preset,
      memory: config.engram && preset.memory,
      counted: config.counted && preset.counted,
    },
    overrides,
    seed,
    data: options.data,
    valid: options.valid,
    startRows: options.startTables !== undefined,
    tokens: { train: stream.tokens.length, valid: valid.tokens.length },
    tokenizer: { text: tokenizerJson, trained: !origin && options.tokenizer === undefined },
    signal,
  });
  await run.record(record);
  if (!isResumed) await begin();
  const corpus = await corpusOfText(stream, {
    config,
    tokenMap: parts.tokenMap,
    tokenizer: tokenizerJson,
    data: options.data,
    before: await origin?.files.corpus(),
    signal,
  });
  await origin?.close();
  say(
    `${stream.tokens.length} tokens to train on, ${numParams(layout.specs)} weights${train === "all" ? "" : " to train"}, ${numRows} rows of memory`,
  );
  for (const table of tables) if (table.plan !== undefined) say(table.plan);
  const { model, counts, ...ended } = await runTraining({
    parts,
    preset,
    backend: options.backend,
    stream,
    valid,
    tokenizer,
    seed,
    step: run.step,
    samplePrompt: options.samplePrompt,
    checkpointEvery: options.checkpointEvery,
    emit,
    signal,
    log: (line) => run.log(line),
    save: ({ step, model: { params }, counts: table }) =>
      run.save({
        step,
        identity,
        tokenizer: tokenizerJson,
        params,
        layout,
        arrays,
        tables,
        config: settings,
        counts: table && countedSources(table),
      }),
  });
  const summary = { ...ended.summary, seconds: await run.seconds() };
  const result: TrainResult = { out, ...summary };
  // The path on this machine does not belong into a model.
  await run.summarize(summary);
  await run.card((name) => modelCard(name, record, result));
  say(`saving the model to ${out}`);
  const finished = await Promise.all(
    tables.map(async (table) => ({
      layerId: table.layerId,
      store: await table.finished(),
      format: rowFormat("f32", table.headDim),
      useCodes: () => table.uses.segments,
    })),
  );
  await saveModel(out, {
    config,
    tokenizer: tokenizerJson,
    eosTokenId,
    texts,
    params: model.params,
    tables: finished,
    counts,
    corpus,
    beside: run.files,
  });
  await run.removeCheckpoints();
  return result;
}

function documents(
  { data, valid, signal }: Pick<TrainModelOptions, "data" | "valid" | "signal">,
  part: "train" | "valid",
): AsyncGenerator<Document> {
  const all = valid === undefined ? readPart(data, part) : readAll(part === "train" ? data : valid);
  return untilAborted(all, signal);
}

async function* untilAborted<T>(
  items: AsyncIterable<T>,
  signal: AbortSignal | undefined,
): AsyncGenerator<T> {
  for await (const item of items) {
    signal?.throwIfAborted();
    yield item;
  }
}

async function trainTokenizer(
  options: Pick<TrainModelOptions, "data" | "valid" | "signal" | "onEvent">,
  vocabSize: number,
): Promise<string> {
  options.onEvent?.({ type: "phase", text: `training a tokenizer of ${vocabSize} tokens` });
  async function* texts(): AsyncGenerator<string> {
    for await (const { text } of documents(options, "train")) yield text;
  }
  return toTokenizerJson(await trainBpe(texts(), { vocabSize }));
}
