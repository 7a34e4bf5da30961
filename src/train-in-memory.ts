/**
 * A text -> a model, in memory: what `trainModel` does where there are no files, in a page for example. The model is
 * open when it is done, and nothing of it outlives its program.
 */
import { RamTable } from "./at-rest/index.ts";
import { corpusOfText } from "./corpus-of-text.ts";
import { RequestError } from "./errors.ts";
import {
  buildAddressing,
  buildLayout,
  composed,
  compressedPad,
  CountedMemory,
  HashedMemory,
  rowFormat,
} from "./memory/index.ts";
import { checkPreset } from "./model-of-preset.ts";
import { createParts } from "./model-to-train.ts";
import { Model } from "./opened-model.ts";
import { runTraining, type TrainEvent, type TrainSummary } from "./run-training.ts";
import type { Backend } from "./tensor/index.ts";
import {
  encodeTasks,
  openTokenizer,
  type Tokenizer,
  toTokenizerJson,
  trainBpe,
} from "./tokenizer/index.ts";
import {
  packDocuments,
  type Preset,
  splitLastTenth,
  type TrainingLine,
  windowsPerEpoch,
} from "./training/index.ts";
import { onThisThread } from "./worker/index.ts";

export interface TrainInMemoryOptions {
  /** What the text is called. */
  readonly name: string;
  readonly preset: Preset;
  readonly backend: Backend;
  readonly seed?: number;
  /** What the model can be taught. Default: nothing. */
  readonly factsFor?:
    | ((language: Model["language"], of: { tokenizer: Tokenizer }) => Model["taught"])
    | undefined;
  readonly onEvent?: (event: TrainEvent) => void;
  /** Told each line that a run's log would have. */
  readonly onLine?: (line: TrainingLine) => void;
  /** Aborting ends the run, and nothing is left of it. */
  readonly signal?: AbortSignal | undefined;
}

/** The last tenth of the text is held out. Throws `RequestError` for a text without two parts. */
export async function trainInMemory(
  text: string,
  options: TrainInMemoryOptions,
): Promise<{ model: Model; summary: TrainSummary }> {
  const { name, preset, backend, seed = 0, factsFor, signal } = options;
  const { onEvent: emit = () => undefined, onLine = () => undefined } = options;
  checkPreset(preset, { memory: true });
  const [train, held] = splitLastTenth(text);
  if (train.trim() === "" || held.trim() === "")
    throw new RequestError(
      "expected a text that can be split in two: one to train on, one held out",
    );
  emit({ type: "phase", text: `training a tokenizer of ${preset.vocabSize} tokens` });
  const tokenizerJson = toTokenizerJson(await trainBpe([train], { vocabSize: preset.vocabSize }));
  signal?.throwIfAborted();
  const tokenizer = await openTokenizer(tokenizerJson, { startWorker: onThisThread(encodeTasks) });
  const stream = await packDocuments([{ text: train }], tokenizer, { signal });
  // Too short a text is refused before anything is made of it.
  windowsPerEpoch(stream.tokens.length, preset.training.length);
  const valid = await packDocuments([{ text: held }], tokenizer, { signal });
  const parts = await createParts({
    preset,
    origin: undefined,
    train: "all",
    tokenizer,
    seed,
    memory: true,
    plan: () => undefined,
    makeTables: (shapes) =>
      shapes.map((shape) => new RamTable(shape, { folds: preset.training.rowFolds })),
  });
  const { config, tokenMap, tables } = parts;
  const corpus = await corpusOfText(stream, {
    config,
    tokenMap,
    tokenizer: tokenizerJson,
    data: [name],
    signal,
  });
  onLine({
    step: 0,
    steps: preset.training.steps,
    numRows: tables.reduce((n, { numRows }) => n + numRows, 0),
  });
  const { model, counts, summary } = await runTraining({
    parts,
    preset,
    backend,
    stream,
    valid,
    tokenizer,
    seed,
    step: 0,
    // One document has one beginning, so its model knows little of what follows none.
    samplePrompt: held.trimStart().slice(0, 24),
    emit,
    log: async (line) => onLine(line),
    signal,
  });
  const { engram } = config;
  const rows =
    engram &&
    new HashedMemory({
      tokenMap,
      addressing: buildAddressing(buildLayout(engram), compressedPad(engram, tokenMap)),
      tables: tables.map(({ layerId, values, headDim }) => ({
        layerId,
        store: values,
        format: rowFormat("f32", headDim),
      })),
    });
  const memory = composed([
    rows,
    counts && new CountedMemory(counts, { layerId: config.numLayers }),
  ]);
  const language = { config, backend, params: model.params, memory };
  return {
    model: new Model(name, {
      tokenizer,
      language,
      ownsBackend: false,
      corpus,
      taught: factsFor?.(language, { tokenizer }),
    }),
    summary,
  };
}
