/**
 * `engram eval --tasks`: measures a model with the chosen options and with its memory off. Prints the harness' table
 * and what the memory gains. Knows the command's options; `eval/tasks` computes the figures.
 */
import { existsSync, readdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { InvalidConfigError } from "../errors.ts";
import {
  type Difference,
  differences,
  evaluateSet,
  type HarnessResults,
  harnessResults,
  harnessTable,
  markdown,
  sampleLines,
  type SetResult,
  type Subject,
  type TaskResult,
  type TaskSet,
} from "../eval/tasks/index.ts";
import { openJudge, openTasks } from "../eval/tasks/node/index.ts";
import type { Model } from "../opened-model.ts";
import type { Memory } from "../memory/index.ts";
import type { CommandContext } from "./command.ts";

/** The tasks in the package, by name. Their data is not in it. */
const shipped = fileURLToPath(new URL("../../assets/tasks/", import.meta.url));

export interface EvalTasksInput {
  readonly tasks: readonly string[];
  readonly data: string | undefined;
  readonly limit: number | undefined;
  readonly numFewshot: number | undefined;
  readonly logSamples: string | undefined;
  /** The memory, possibly ablated, and its scale; undefined: off. */
  readonly memory: { readonly memory: Memory; readonly scale: number } | undefined;
}

type Context = Pick<CommandContext, "print" | "progress" | "signal">;

interface TasksDocument extends HarnessResults {
  /** The results with the memory off, if the first ones have it on. */
  readonly memoryOff?: HarnessResults;
  /** Memory on minus memory off, paired by document. */
  readonly memoryGains?: readonly Difference[];
}

/** Prints the tables; resolves to the same as JSON. */
export async function evalTasks(
  model: Model,
  input: EvalTasksInput,
  context: Context,
): Promise<TasksDocument> {
  const { tasks, data, memory, logSamples } = input;
  const sets: TaskSet[] = [];
  for (const task of tasks) sets.push(await openTasks(taskFile(task), { data }));
  checkNames(sets);
  if (logSamples !== undefined) await mkdir(logSamples, { recursive: true });
  const { tokenizer } = model;
  const off: Subject = { tokenizer, language: model.languageModel({ memory: false }), scale: 1 };
  const on = memory && {
    tokenizer,
    language: { ...model.language, memory: memory.memory },
    scale: memory.scale,
  };
  const run = (subject: Subject, name: string): Promise<SetResult[]> =>
    runSets(sets, { subject, name, input }, context);
  const first = await run(on ?? off, on === undefined ? "memory off" : "memory on");
  const second = on && (await run(off, "memory off"));
  context.progress.end();
  const found = harnessResults(first);
  context.print(harnessTable(found));
  sayTruncated(first, context);
  if (second === undefined) return found;
  const without = harnessResults(second);
  const gains = differences(first, second);
  context.print(`\nMemory off:\n\n${harnessTable(without)}`);
  context.print(`\nMemory on minus memory off, paired by document:\n\n${differenceTable(gains)}`);
  return { ...found, memoryOff: without, memoryGains: gains };
}

function taskFile(task: string): string {
  if (/[\\/]|\.json$/.test(task)) return task;
  const path = join(shipped, `${task}.json`);
  if (/^[\w-]+$/.test(task) && existsSync(path)) return path;
  const names = readdirSync(shipped).filter((name) => name.endsWith(".json"));
  throw new InvalidConfigError(
    `there is no task "${task}" in the package, which has ${names.map((name) => basename(name, ".json")).join(", ")}; ` +
      `give a task of your own by its path, which ends in .json`,
  );
}

function checkNames(sets: readonly TaskSet[]): void {
  const seen = new Set<string>();
  const names = sets.flatMap(({ name, isGroup, tasks }) => [
    ...(isGroup ? [name] : []),
    ...tasks.map((task) => task.name),
  ]);
  for (const name of names) {
    if (seen.has(name))
      throw new InvalidConfigError(`two tasks are called "${name}"; rename one of them`);
    seen.add(name);
  }
}

async function runSets(
  sets: readonly TaskSet[],
  { subject, name, input }: { subject: Subject; name: string; input: EvalTasksInput },
  { progress, signal }: Context,
): Promise<SetResult[]> {
  using judging = openJudge();
  const found: SetResult[] = [];
  for (const set of sets) {
    const result = await evaluateSet(subject, set, {
      judge: judging.judge,
      limit: input.limit,
      numFewShot: input.numFewshot,
      onProgress: (what, done, total) => progress.update(`${name}: ${what} ${done}/${total}`),
      signal,
    });
    if (input.logSamples !== undefined)
      for (const one of result.results) await writeSamples(one, { name, to: input.logSamples });
    found.push(result);
  }
  return found;
}

async function writeSamples(
  result: TaskResult,
  { name, to }: { name: string; to: string },
): Promise<void> {
  const view = name.replaceAll(" ", "-");
  await writeFile(join(to, `samples_${result.task.name}_${view}.jsonl`), sampleLines(result));
}

/** Scores on truncated contexts are not comparable with the benchmark's, so a notice is printed. */
function sayTruncated(found: readonly SetResult[], { print }: Context): void {
  for (const { results } of found)
    for (const { task, numTruncated } of results)
      if (numTruncated > 0)
        print(
          `${task.name}: ${numTruncated} contexts are longer than the model's context; their beginnings were cut off\n`,
        );
}

const signed = (value: number): string => `${value < 0 ? "" : "+"}${value.toFixed(4)}`;

function differenceTable(gains: readonly Difference[]): string {
  const hasControl = gains.some(({ overControl }) => overControl !== undefined);
  const heads = ["Tasks", "Filter", "Unit", "Difference", "", "Stderr", "Documents"];
  if (hasControl) heads.push("Over control", "", "Stderr", "p");
  const rows = gains.map((one) => {
    const { task, filter, unit, value, standardError, numDocuments, overControl: over } = one;
    const error = standardError?.toFixed(4) ?? "N/A";
    const row = [task, filter, unit, signed(value), "±", error, String(numDocuments)];
    if (over !== undefined)
      row.push(
        signed(over.value),
        "±",
        over.standardError.toFixed(4),
        over.p?.toPrecision(2) ?? "N/A",
      );
    else if (hasControl) row.push("", "", "", "");
    return row;
  });
  return markdown(heads, rows);
}
