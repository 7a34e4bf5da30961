/**
 * Runs in given directories, and the progress of each, for `engram dash`. Reads metrics.jsonl, run.json and
 * training.json; changes nothing.
 */
import { stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import { readTextInside } from "../../checkpoint/node/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import { isRecord } from "../../json-values.ts";
import {
  advance,
  emptyProgress,
  type RunState,
  type RunSummary,
  summaryOf,
} from "../run-progress.ts";
import { settingsOf } from "../run-record.ts";

export type { RunState, RunSummary };
import { readRunRecord } from "./run-directory.ts";
import { readRunLog, type ReadRunLogOptions, type RunLogPart } from "./run-log.ts";

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

/** A missing or incomplete file is no result. */
async function readResult(file: string): Promise<Record<string, unknown> | undefined> {
  try {
    const result: unknown = JSON.parse(await readTextInside(file));
    return isRecord(result) ? result : undefined;
  } catch {
    return undefined;
  }
}
