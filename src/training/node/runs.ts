/**
 * Runs in given directories, and the progress of each, for `engram dash`. Reads metrics.jsonl, run.json and
 * training.json; changes nothing.
 */
import { readFile, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { InvalidConfigError } from "../../errors.ts";
import { settingsOf } from "../run-record.ts";
import type { MetricsLine } from "./metrics-log.ts";
import { readRunRecord } from "./run-directory.ts";
import { readRunLog, type ReadRunLogOptions, type RunLogPart } from "./run-log.ts";

/**
 * `finished`: there is a training.json. `running`: not finished, and the log grew lately. `stopped`: not finished,
 * and the log did not grow lately. `empty`: there is no log yet.
 */
export type RunState = "finished" | "running" | "stopped" | "empty";

/** The progress of a run. Values that are not in the log yet are undefined. */
export interface RunSummary {
  readonly name: string;
  readonly path: string;
  readonly state: RunState;
  /** Of the last line, in milliseconds since 1970. */
  readonly updatedAt: number | undefined;
  /** Updates done, and to be done. */
  readonly step: number;
  readonly steps: number | undefined;
  /** Tokens trained on so far, repeats included. */
  readonly tokens: number;
  /** Time of steps, without validation and checkpoints. */
  readonly seconds: number;
  readonly numParams: number | undefined;
  readonly numRows: number | undefined;
  /** Mean nats a token of the last steps, up to 50. */
  readonly loss: number | undefined;
  readonly tokensPerSecond: number | undefined;
  /** Of the last step, by layer. */
  readonly gates: Readonly<Record<string, number>>;
  /** Of the last validation; of the whole held-out text once the run is finished. */
  readonly validBitsPerByte: number | undefined;
  readonly validStep: number | undefined;
  /** The same with the memory switched off; only finished runs measure it. */
  readonly bitsPerByteWithoutMemory: number | undefined;
  /** The same of a model that was trained without memory, if there is one for comparison. */
  readonly bitsPerByteTrainedWithout: number | undefined;
  /** What the run is, from run.json: "training.lr" -> "0.003". Empty where that is not there or cannot be read. */
  readonly settings: Readonly<Record<string, string>>;
}

export interface Run {
  /** A unique name: the last part of its path, or more parts if another run has the same. */
  readonly name: string;
  readonly path: string;
  summary(): Promise<RunSummary>;
  read(options?: ReadRunLogOptions): Promise<RunLogPart>;
}

/** Runs in the order of their directories; one that is named twice is there once. */
export function openRuns(directories: readonly string[]): Run[] {
  const paths = [...new Map(directories.map((path) => [resolve(path), path])).values()];
  const names = namesOf(paths.map((path) => resolve(path)));
  return paths.map((path, i) => openRun(path, names[i]!));
}

/** The shortest unique ends of paths, because a server shows them to any client. */
function namesOf(paths: readonly string[]): string[] {
  const ends = (count: number): string[] =>
    paths.map((path) => path.split(sep).slice(-count).join("/"));
  return paths.map((path, i) => {
    for (let count = 1; count < path.split(sep).length; count++) {
      const all = ends(count);
      if (all.indexOf(all[i]!) === all.lastIndexOf(all[i]!)) return all[i]!;
    }
    return path;
  });
}

/** Throws `InvalidConfigError` if there is no such directory; one without a log is a run that has not begun. */
export async function checkRunDirectory(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw new InvalidConfigError(
      `there is no directory ${path}; a run's directory is what --out was when it was trained`,
    );
  if (!found.isDirectory())
    throw new InvalidConfigError(
      `${path} is a file; expected a run's directory, with metrics.jsonl in it`,
    );
}

function openRun(path: string, name: string): Run {
  const file = join(path, "metrics.jsonl");
  let progress = emptyProgress();
  let cursor = "";
  const follow = async (): Promise<void> => {
    for (let isEnd = false; !isEnd;) {
      const part = await readRunLog(file, { cursor });
      if (part.isRestart) progress = emptyProgress();
      for (const line of part.lines) advance(progress, line);
      ({ cursor, isEnd } = part);
    }
  };
  let following = Promise.resolve();
  return {
    name,
    path,
    read: (options) => readRunLog(file, options),
    async summary() {
      // One after the other: each line counts once.
      following = following.catch(() => undefined).then(follow);
      await following;
      const result = await readResult(join(path, "training.json"));
      const updatedAt = await stat(file).then(
        ({ mtimeMs }) => Math.round(mtimeMs),
        () => undefined,
      );
      const run = await readRunRecord(path).catch(() => undefined);
      const settings = run === undefined ? {} : Object.fromEntries(settingsOf(run));
      return { ...summaryOf(progress, { name, path, updatedAt, result }), settings };
    },
  };
}

/** A running training writes a line for each step, also on a busy machine within this time. */
const QUIET_MS = 60_000;

interface Progress {
  step: number;
  tokens: number;
  seconds: number;
  losses: number[];
  last: MetricsLine | undefined;
  head: MetricsLine | undefined;
  valid: MetricsLine | undefined;
}

function emptyProgress(): Progress {
  return {
    step: 0,
    tokens: 0,
    seconds: 0,
    losses: [],
    last: undefined,
    head: undefined,
    valid: undefined,
  };
}

const MEAN_STEPS = 50;

function advance(progress: Progress, line: MetricsLine): void {
  if (line.step === 0) progress.head = line;
  if (numberIn(line, "validBitsPerByte") !== undefined) progress.valid = line;
  const loss = numberIn(line, "loss");
  if (loss === undefined) return;
  progress.step = line.step;
  progress.last = line;
  const tokens = numberIn(line, "numTokens") ?? 0;
  progress.tokens += tokens;
  progress.seconds += secondsOf(line);
  progress.losses.push(loss);
  if (progress.losses.length > MEAN_STEPS) progress.losses.shift();
}

/** Logs of earlier versions have no `seconds`; their smoothed pace gives nearly the same sum. */
function secondsOf(line: MetricsLine): number {
  const pace = numberIn(line, "tokensPerSecond") ?? 0;
  return numberIn(line, "seconds") ?? (pace > 0 ? (numberIn(line, "numTokens") ?? 0) / pace : 0);
}

function summaryOf(
  { step, tokens, seconds, losses, last, head, valid }: Progress,
  more: {
    name: string;
    path: string;
    updatedAt: number | undefined;
    result: Record<string, unknown> | undefined;
  },
): Omit<RunSummary, "settings"> {
  const { name, path, updatedAt, result } = more;
  const known = { ...head, ...result };
  const isQuiet = updatedAt === undefined || Date.now() - updatedAt > QUIET_MS;
  const unfinished = step === 0 && isQuiet ? "empty" : isQuiet ? "stopped" : "running";
  return {
    name,
    path,
    state: result !== undefined ? "finished" : unfinished,
    updatedAt,
    step,
    steps: numberIn(known, "steps"),
    tokens,
    seconds,
    numParams: numberIn(known, "numParams"),
    numRows: numberIn(known, "numRows"),
    loss: losses.length === 0 ? undefined : losses.reduce((a, b) => a + b) / losses.length,
    tokensPerSecond: numberIn(last, "tokensPerSecond"),
    gates: gatesOf(last),
    validBitsPerByte: numberIn(result, "bitsPerByte") ?? numberIn(valid, "validBitsPerByte"),
    validStep: result === undefined ? valid?.step : numberIn(result, "steps"),
    bitsPerByteWithoutMemory:
      numberIn(result, "bitsPerByteWithoutMemory") ?? numberIn(valid, "bitsPerByteWithoutMemory"),
    bitsPerByteTrainedWithout: numberIn(result, "bitsPerByteTrainedWithout"),
  };
}

function gatesOf(line: MetricsLine | undefined): Record<string, number> {
  const gates = line?.["gates"];
  if (typeof gates !== "object" || gates === null) return {};
  return Object.fromEntries(
    Object.entries(gates).filter((entry): entry is [string, number] => Number.isFinite(entry[1])),
  );
}

function numberIn(
  record: Readonly<Record<string, unknown>> | undefined,
  key: string,
): number | undefined {
  const value = record?.[key];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** A missing or incomplete file is no result. */
async function readResult(file: string): Promise<Record<string, unknown> | undefined> {
  try {
    const result: unknown = JSON.parse(await readFile(file, "utf8"));
    return typeof result === "object" && result !== null ? { ...result } : undefined;
  } catch {
    return undefined;
  }
}
