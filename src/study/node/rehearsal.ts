/**
 * How long a study will take, before it begins: each arm does a few steps on a part of its text, as many at a time as will
 * train later. Tells times and no losses, and leaves nothing. Refuses a study that would not keep its budget of minutes.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidConfigError } from "../../errors.ts";
import { readAll } from "../../training/node/index.ts";
import { inTurns } from "../schedule.ts";
import type { Arm, ArmTraining, Study } from "../study-file.ts";
import { doJob } from "./arm-process.ts";

/** Enough text for a vocabulary of the usual size and for a few steps. */
const EXCERPT_CHARACTERS = 2_000_000;
const SCORED_CHARACTERS = 20_000;

export interface RehearseOptions {
  readonly threads: number;
  readonly parallel: number;
  readonly signal: AbortSignal;
  readonly onNote: (text: string) => void;
}

/** Throws `InvalidConfigError` if the study would take more minutes than it may. */
export async function rehearse(
  study: Study,
  { threads, parallel, signal, onNote }: RehearseOptions,
): Promise<void> {
  const { minutes } = study.budget;
  if (minutes === undefined) return;
  const directory = await mkdtemp(join(tmpdir(), "engram-study-"));
  const found = new Map<string, number>();
  // A failure ends the others, too.
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const time = async ({ name }: Arm, training: ArmTraining): Promise<void> => {
    const { secondsPerStep, outcome } = await doJob(
      {
        kind: "rehearse",
        ...training,
        seed: study.seeds[0]!,
        ...(await excerpt(training.data, join(directory, name))),
        out: join(directory, `${name}-run`),
        command: "a rehearsal",
        threads,
      },
      { signal: either },
    );
    if (outcome === "finished") found.set(name, secondsPerStep!);
  };
  try {
    await inTurns(study.arms, {
      parallel,
      onFailure: () => failure.abort(),
      async step(arm) {
        if (either.aborted) return "stop";
        if (arm.training !== undefined)
          await time(arm, arm.training).catch((cause: unknown) => {
            throw Object.assign(cause as Error, {
              message: `arm ${arm.name}: ${(cause as Error).message}`,
            });
          });
        return "done";
      },
    });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  signal.throwIfAborted();
  const parts = study.arms.flatMap(({ name, training }) => {
    const seconds = found.get(name);
    if (training === undefined || seconds === undefined) return [];
    const { steps } = training.preset.training;
    return [{ name, seconds, steps, minutes: (study.seeds.length * steps * seconds) / 60 }];
  });
  const estimate = parts.reduce((sum, part) => sum + part.minutes, 0);
  const words =
    `about ${rounded(estimate)} minutes of steps: ` +
    parts
      .map(
        ({ name, seconds, steps }) =>
          `${name} ${study.seeds.length} x ${steps} steps of ${rounded(seconds)} s`,
      )
      .join(", ");
  if (estimate > minutes)
    throw new InvalidConfigError(
      `the study would take ${words}; its budget is ${minutes} minutes (budget.minutes). Take fewer or smaller runs, or ` +
        "a larger budget before it is registered",
    );
  onNote(`the study will take ${words}; its budget is ${minutes}`);
}

/** The beginning of a text, and less of it to score. */
async function excerpt(
  files: readonly string[],
  base: string,
): Promise<{ data: string[]; valid: string[] }> {
  const texts: string[] = [];
  let length = 0;
  for await (const { text } of readAll(files)) {
    texts.push(text.slice(0, EXCERPT_CHARACTERS - length).toWellFormed());
    length += texts.at(-1)!.length;
    if (length >= EXCERPT_CHARACTERS) break;
  }
  const [data, valid] = [`${base}.jsonl`, `${base}-scored.jsonl`];
  const lines = (all: readonly string[]): string =>
    all.map((text) => `${JSON.stringify({ text })}\n`).join("");
  await writeFile(data, lines(texts));
  await writeFile(valid, lines([texts[0]!.slice(0, SCORED_CHARACTERS).toWellFormed()]));
  return { data: [data], valid: [valid] };
}

function rounded(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toPrecision(2);
}
