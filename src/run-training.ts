/**
 * The steps of a run, from its start values or a checkpoint to a model that is measured: trains, validates, samples, and
 * says so. What is to last is handed out. Knows no files and no platform.
 */
import { DisposalStack } from "./disposal-stack.ts";
import { generateText } from "./generate-text.ts";
import {
  Decoder,
  type LanguageModel,
  Scorer,
  type ScoreOptions,
  type TokenStream,
  withoutMemory,
} from "./inference/index.ts";
import { formatBytes } from "./machine/index.ts";
import type { CountedTable } from "./memory/index.ts";
import { numParams, paramSpecs } from "./model/index.ts";
import { type ModelParts, trainableModel } from "./model-to-train.ts";
import { nextTurn } from "./next-turn.ts";
import { scoredAtOnce } from "./plan-training.ts";
import type { Backend } from "./tensor/index.ts";
import type { Tokenizer } from "./tokenizer/index.ts";
import {
  excerptsOf,
  Pace,
  type Preset,
  type StepReport,
  type TrainableModel,
  Trainer,
  type TrainingLine,
  type TrainingRecipe,
  type TrainingState,
} from "./training/index.ts";

/** What happens during a run, in order. Losses are nats a token. */
export type TrainEvent =
  | { readonly type: "phase"; readonly text: string }
  | {
      readonly type: "step";
      readonly report: StepReport;
      readonly steps: number;
      readonly tokensPerSecond: number;
      readonly secondsLeft: number;
    }
  | { readonly type: "valid"; readonly step: number; readonly bitsPerByte: number }
  | { readonly type: "sample"; readonly step: number; readonly text: string }
  | { readonly type: "checkpoint"; readonly step: number; readonly path: string };

/** What came of a run. */
export interface TrainSummary {
  readonly steps: number;
  readonly numParams: number;
  readonly numRows: number;
  readonly trainTokens: number;
  readonly trainBytes: number;
  readonly validBytes: number;
  /** Bits per byte of the held-out text, all of it, and with the memory left out. */
  readonly bitsPerByte: number;
  readonly bitsPerByteWithoutMemory: number | undefined;
  /** Lines of the held-out text, from up to three places, to show the model with. */
  readonly heldOutExcerpts: readonly string[];
  /** Time of steps; of a run with a directory, before it was resumed too. */
  readonly seconds: number;
}

/** What a checkpoint holds besides the parts of the run. */
export interface TrainingPoint {
  readonly step: number;
  readonly model: TrainableModel;
  readonly counts: CountedTable | undefined;
}

export interface RunTrainingOptions {
  readonly parts: ModelParts;
  readonly preset: Preset;
  readonly backend: Backend;
  readonly stream: TokenStream;
  readonly valid: TokenStream;
  readonly tokenizer: Tokenizer;
  readonly seed: number;
  /** Steps that were done before. */
  readonly step: number;
  readonly samplePrompt?: string | undefined;
  /** Steps between checkpoints. Default: a tenth of the run. */
  readonly checkpointEvery?: number | undefined;
  readonly emit: (event: TrainEvent) => void;
  readonly log: (line: TrainingLine) => Promise<void>;
  /** Saves a checkpoint, and resolves to its path. Default: there are none. */
  readonly save?: (point: TrainingPoint) => Promise<string>;
  readonly signal?: AbortSignal | undefined;
}

export interface TrainedRun {
  readonly model: TrainableModel;
  /** Of a model that counts. */
  readonly counts: CountedTable | undefined;
  readonly summary: TrainSummary;
}

/** Tokens scored at each validation on the way; the last one scores all. */
const validationTokens = 40_000;
const validationsPerRun = 5;

/** Rejects with the signal's reason when it is aborted, after a checkpoint. */
export async function runTraining(options: RunTrainingOptions): Promise<TrainedRun> {
  const { parts, preset, backend, stream, valid, tokenizer, seed, emit, log, save, signal } =
    options;
  const { config, layout, arrays, tables } = parts;
  const recipe = preset.training;
  const say = (text: string): void => emit({ type: "phase", text });
  await using owned = new DisposalStack();
  if (config.counted !== undefined)
    say(`counting n-grams of ${stream.tokens.length} tokens in ${preset.counted.folds} folds`);
  const { model, counts } = await trainableModel(parts, { backend, preset, stream, signal });
  if (counts !== undefined)
    say(
      `counts of n-grams of up to ${config.counted!.order} tokens: ${formatBytes(counts.numBytes)}, ` +
        `${formatBytes(counts.heldBytes)} with those of ${preset.counted.folds} folds`,
    );
  const state: TrainingState = { layout, arrays, step: options.step };
  const pace = new Pace(recipe.steps, state.step);
  const saveCheckpoint = async (): Promise<void> => {
    const { step } = state;
    const path = await save?.({ step, model, counts: counts?.table });
    if (path !== undefined) emit({ type: "checkpoint", step, path });
  };
  const validEvery = Math.ceil(recipe.steps / validationsPerRun);
  const checkpointEvery = options.checkpointEvery ?? Math.ceil(recipe.steps / 10);
  const trainer = await Trainer.create(model, state, { recipe, stream, seed });
  owned.adopt(trainer, (one) => one.dispose());
  await using scorer = await Scorer.create(model, scoredAtOnce(recipe));
  await using decoder = new Decoder(model);
  while (state.step < recipe.steps) {
    // An engine on this thread gives others no turn.
    await nextTurn();
    if (signal?.aborted) {
      await saveCheckpoint();
      signal.throwIfAborted();
    }
    const report = await trainer.step();
    const seconds = pace.count(report.numTokens);
    const { tokensPerSecond, secondsLeft } = pace;
    await log({
      ...report,
      tokensPerSecond: Math.round(tokensPerSecond),
      seconds: Number(seconds.toFixed(4)),
    });
    emit({ type: "step", report, steps: recipe.steps, tokensPerSecond, secondsLeft });
    if (state.step === recipe.steps) break;
    if (state.step % validEvery === 0)
      await pace.without(async () => {
        const bitsPerByte = await bitsPerByteOf(scorer, valid, { maxTokens: validationTokens });
        emit({ type: "valid", step: state.step, bitsPerByte });
        const text = await sampleText(tokenizer, decoder, options.samplePrompt ?? "");
        emit({ type: "sample", step: state.step, text });
        await log({ step: state.step, validBitsPerByte: bitsPerByte, sample: text });
      });
    if (state.step % checkpointEvery === 0) await pace.without(saveCheckpoint);
  }
  say("scoring the held-out text");
  const scoring: ScoreOptions = signal === undefined ? {} : { signal };
  const bitsPerByte = await bitsPerByteOf(scorer, valid, scoring);
  const bitsPerByteWithoutMemory = model.memory
    ? await scoreWithoutMemory(model, { valid, recipe, scoring })
    : undefined;
  await log({ step: state.step, validBitsPerByte: bitsPerByte, bitsPerByteWithoutMemory });
  return {
    model,
    counts: counts?.table,
    summary: {
      steps: recipe.steps,
      numParams: numParams(paramSpecs(config)),
      numRows: tables.reduce((n, table) => n + table.numRows, 0),
      trainTokens: stream.tokens.length,
      trainBytes: stream.numBytes,
      validBytes: valid.numBytes,
      bitsPerByte,
      bitsPerByteWithoutMemory,
      heldOutExcerpts: excerptsOf((share) => textFrom(share, valid, tokenizer)),
      seconds: pace.seconds,
    },
  };
}

/** What follows a share of a text, long enough for any excerpt. */
function textFrom(share: number, { tokens }: TokenStream, tokenizer: Tokenizer): string {
  const from = Math.floor(share * tokens.length);
  const ids = tokens.subarray(from, from + 1024);
  return tokenizer.decode([...ids].filter((id) => id !== tokenizer.eosTokenId));
}

/** Bits per byte of a text; of a part spread over it, scaled to the whole, if the options say so. */
async function bitsPerByteOf(
  scorer: Scorer,
  valid: TokenStream,
  options: ScoreOptions,
): Promise<number> {
  const score = await scorer.score(valid, options);
  const scored = valid.tokens.length - valid.starts.length;
  return ((score.nats / score.numTokens) * scored) / Math.LN2 / valid.numBytes;
}

async function scoreWithoutMemory(
  model: LanguageModel,
  { valid, recipe, scoring }: { valid: TokenStream; recipe: TrainingRecipe; scoring: ScoreOptions },
): Promise<number> {
  await using scorer = await Scorer.create(withoutMemory(model), scoredAtOnce(recipe));
  return await bitsPerByteOf(scorer, valid, scoring);
}

async function sampleText(tokenizer: Tokenizer, decoder: Decoder, prompt: string): Promise<string> {
  const model = { tokenizer, createSession: () => decoder.createSession() };
  let text = prompt;
  for await (const piece of generateText(model, prompt, { maxTokens: 48, temperature: 0.8 }))
    text += piece;
  return text;
}
