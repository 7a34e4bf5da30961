/**
 * Runs the tasks of a file on one model under one view: scores and judges their documents, and computes the figures.
 * Knows tasks and models; not files, tables or threads.
 */
import { RequestError } from "../../errors.ts";
import type { LanguageModel } from "../../inference/index.ts";
import type { Model } from "../../opened-model.ts";
import { RequestEncoder, type TokenRequest } from "./encode-requests.ts";
import { generateAnswers } from "./generate-answers.ts";
import type { Task, TaskSet } from "./group.ts";
import { type Item, itemsOf } from "./items.ts";
import type { Judged, JudgeTask } from "./judge.ts";
import { aggregate, METRIC_KINDS, type MetricValue, standardError, valueOf } from "./metrics.ts";
import { type Scored, scoreRequests } from "./score-requests.ts";
import type { MetricName } from "./task-type.ts";

/** What is measured: a model, the memory it reads, and the scale of that memory. */
export interface Subject {
  readonly tokenizer: Model["tokenizer"];
  readonly language: LanguageModel;
  readonly scale: number;
}

/** Judges answers. The caller may abort it. */
export type Judge = (task: JudgeTask, signal?: AbortSignal) => Promise<readonly Judged[]>;

/** How much of the tasks is asked, and who judges the answers. */
export interface EvaluateOptions {
  readonly judge: Judge;
  /** Documents of each task. Default: all. */
  readonly limit?: number | undefined;
  /** Replaces the number in the task file. */
  readonly numFewShot?: number | undefined;
  /** The most tokens that the model reads. Default: its own context. */
  readonly context?: number;
  /** Default true. With false, standard errors that need a bootstrap are left out. */
  readonly bootstrap?: boolean;
  readonly onProgress?: ((what: string, done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Figure {
  readonly metric: MetricName;
  readonly filter: string;
  readonly value: number;
  readonly standardError: number | undefined;
  readonly higherIsBetter: boolean;
  /** By document: the values from which the figure was computed. */
  readonly values: readonly MetricValue[];
}

export interface Sample {
  readonly item: Item;
  /** Scores of the item's requests, or its answer. */
  readonly responses: readonly Scored[] | string;
  /** The filtered answer, by filter. */
  readonly filtered: Readonly<Record<string, string>>;
}

export interface TaskResult {
  readonly task: Task;
  readonly numFewShot: number;
  readonly figures: readonly Figure[];
  readonly samples: readonly Sample[];
  /** Number of requests whose context had to be cut. */
  readonly numTruncated: number;
}

/** What was found for all tasks of a file. */
export interface SetResult {
  readonly set: TaskSet;
  readonly results: readonly TaskResult[];
}

/** A task with the requests of its documents. */
interface AskedTask {
  readonly task: Task;
  readonly numFewShot: number;
  readonly items: readonly Item[];
}

interface Answered {
  readonly samples: readonly Sample[];
  readonly values: readonly Pick<Figure, "metric" | "filter" | "values">[];
  readonly numTruncated: number;
}

/** The requests of all tasks run together, so that short ones share windows. */
export async function evaluateSet(
  subject: Subject,
  set: TaskSet,
  options: EvaluateOptions,
): Promise<SetResult> {
  const isGenerated = set.file.output_type === "generate_until";
  const numFewShot =
    set.file.output_type === "loglikelihood_rolling"
      ? 0
      : (options.numFewShot ?? set.file.num_fewshot);
  const { limit } = options;
  const asked = set.tasks.map((task) => ({
    task,
    numFewShot,
    items: [...itemsOf({ ...task, numFewShot, limit })],
  }));
  const answered = await (isGenerated ? generated : scored)(subject, { set, asked }, options);
  const results: TaskResult[] = [];
  for (const [t, { task }] of asked.entries()) {
    const { values, ...rest } = answered[t]!;
    const figures: Figure[] = [];
    for (const one of values) {
      const { aggregation, higherIsBetter } = METRIC_KINDS[one.metric];
      const error = await standardError(aggregation, one.values, options);
      const value = aggregate(aggregation, one.values);
      figures.push({ ...one, value, standardError: error, higherIsBetter });
    }
    results.push({ task, numFewShot, figures, ...rest });
  }
  return { set, results };
}

interface Work {
  readonly set: TaskSet;
  readonly asked: readonly AskedTask[];
}

async function scored(
  { tokenizer, language, scale }: Subject,
  { set: { name, file }, asked }: Work,
  options: EvaluateOptions,
): Promise<Answered[]> {
  const { signal } = options;
  const context = options.context ?? language.config.maxPositions;
  const encoder = new RequestEncoder(tokenizer, { context });
  const requests: TokenRequest[] = [];
  /** Where the requests of each item begin and end. */
  const ranges = new Map<Item, readonly [begin: number, end: number]>();
  for (const { task, items } of asked)
    for (const item of items) {
      signal?.throwIfAborted();
      const begin = requests.length;
      await named(`${task.name}, document ${item.id}`, async () => {
        const { request } = item;
        if (request.kind === "rolling")
          requests.push(...(await encoder.rolling(request.text, signal)));
        if (request.kind === "choices")
          for (const { context: before, continuation } of request.pairs)
            requests.push(await encoder.pair(before, continuation, signal));
      });
      ranges.set(item, [begin, requests.length]);
    }
  const scores = await scoreRequests(language, requests, {
    view: { scale },
    context,
    onProgress: (done, total) => options.onProgress?.(`${name}: windows`, done, total),
    signal,
  });
  return asked.map(({ items }) => {
    let numTruncated = 0;
    const samples = items.map((item) => {
      const [begin, end] = ranges.get(item)!;
      for (const request of requests.slice(begin, end)) if (request.isTruncated) numTruncated++;
      return { item, responses: scores.slice(begin, end), filtered: {} };
    });
    const values = file.metric_list.map(({ metric }) => ({
      metric,
      filter: file.filter_list[0]!.name,
      values: samples.map(({ item, responses }) => valueOf(metric, item, responses)),
    }));
    return { samples, values, numTruncated };
  });
}

async function generated(
  { tokenizer, language, scale }: Subject,
  { set: { name, file }, asked }: Work,
  { judge, onProgress, signal, ...options }: EvaluateOptions,
): Promise<Answered[]> {
  const { until, max_gen_toks: maxTokens } = file.generation_kwargs;
  const context = options.context ?? language.config.maxPositions;
  const encoder = new RequestEncoder(tokenizer, { context });
  // Checks the patterns before hours of generation.
  for (const { filter: filters } of file.filter_list)
    await judge({ filters, metrics: file.metric_list, answers: [] }, signal);
  const prompts: { readonly ids: Int32Array; readonly isTruncated: boolean }[] = [];
  for (const { task, items } of asked)
    for (const { id, request } of items)
      await named(`${task.name}, document ${id}`, async () => {
        if (request.kind === "generate")
          prompts.push(await encoder.prompt(request.context, { maxTokens, signal }));
      });
  const answers = await generateAnswers(
    language,
    prompts.map(({ ids }) => ids),
    {
      tokenizer,
      scale,
      until,
      maxTokens,
      context,
      onProgress: (done, total) => onProgress?.(`${name}: answers`, done, total),
      signal,
    },
  );
  const found: Answered[] = [];
  let begin = 0;
  for (const { items } of asked) {
    const own = answers.slice(begin, begin + items.length);
    const numTruncated = prompts
      .slice(begin, begin + items.length)
      .filter((one) => one.isTruncated).length;
    begin += items.length;
    found.push({ ...(await judged({ file, items, answers: own }, judge, signal)), numTruncated });
  }
  return found;
}

async function judged(
  {
    file,
    items,
    answers,
  }: Pick<Task, "file"> & {
    items: readonly Item[];
    answers: readonly string[];
  },
  judge: Judge,
  signal: AbortSignal | undefined,
): Promise<Omit<Answered, "numTruncated">> {
  const filtered: Record<string, string>[] = items.map(() => ({}));
  const values: Answered["values"][number][] = [];
  const given = items.map(({ target }, i) => ({
    text: answers[i]!,
    targets: target.kind === "text" ? target.texts : [],
  }));
  for (const { name: filter, filter: filters } of file.filter_list) {
    const found = await judge({ filters, metrics: file.metric_list, answers: given }, signal);
    for (const [i, { text }] of found.entries()) filtered[i]![filter] = text;
    for (const [m, { metric }] of file.metric_list.entries())
      values.push({
        metric,
        filter,
        values: found.map((one) => ({ value: one.values[m]!, weight: 1 })),
      });
  }
  const samples = items.map((item, i) => ({
    item,
    responses: answers[i]!,
    filtered: filtered[i]!,
  }));
  return { samples, values };
}

/** Adds to a refusal where in the task it happened. */
async function named(where: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof RequestError)
      throw new RequestError(`${where}: ${error.message}`, { cause: error });
    throw error;
  }
}
