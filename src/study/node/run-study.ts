/**
 * A study from its file to its report: registered, then trained run by run in processes of their own, gone on with where
 * it was left, and reported after each finished run. In the output directory:
 *     study.json            what was registered before the first step (`registration.ts`)
 *     runs/ARM-SEED/        each run, as `engram train` leaves it
 *     results/ARM-SEED.json what came of a finished run; it is not done again
 *     report.json, .md, .svg
 * Knows the order of things; not how an arm trains or how figures are drawn.
 */
import { mkdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { readJsonFile, writeDurably } from "../../checkpoint/node/index.ts";
import { EngramError, InvalidConfigError } from "../../errors.ts";
import { checkTexts, refuseIfHeld, RunLock } from "../../training/node/index.ts";
import type { Measured } from "../metrics.ts";
import { reportStudy, type StudyReport } from "../report.ts";
import { studyMarkdown } from "../report-markdown.ts";
import { studySvg } from "../report-svg.ts";
import { interleaved, inTurns, type RunName } from "../schedule.ts";
import { type Arm, type ArmTraining, parseStudy, type Study } from "../study-file.ts";
import { doJob } from "./arm-process.ts";
import {
  checkUnchanged,
  describeStudy,
  modelDirectory,
  readRegistration,
  register,
  type Registration,
} from "./registration.ts";
import { rehearse } from "./rehearsal.ts";
import { readLog, readResult, runDirectory, trainedResult, writeResult } from "./results.ts";

/** A run's command by itself, for its record. */
export type CommandOf = (run: RunName & ArmTraining & { valid: Study["valid"] }) => string;

export interface RunStudyOptions {
  readonly out: string;
  /** Threads of each run's engine, and runs at a time. */
  readonly threads: number;
  readonly parallel: number;
  /** The command of the study, with paths that may be published. */
  readonly command: string;
  readonly commandOf: CommandOf;
  readonly onNote: (text: string) => void;
  readonly onProgress: (text: string) => void;
  /** Aborting lets the runs save, and rejects with the signal's reason. */
  readonly signal: AbortSignal;
}

/** Throws `InvalidConfigError` for a study that cannot be, or is not the one that `out` holds. */
export async function runStudy(file: string, options: RunStudyOptions): Promise<StudyReport> {
  const { out, threads, signal, onNote } = options;
  const study = parseStudy(await readJsonFile(file), file);
  await checkStudyTexts(study);
  const now = await describeStudy(study, signal);
  let registration = await readRegistration(out);
  if (registration === undefined) {
    await rehearse(study, options);
    registration = await register(now, { out, threads, command: options.command });
    onNote(`registered ${registration.sha256}`);
  } else {
    checkUnchanged(registration, now, { out, threads });
    onNote(`going on with ${registration.sha256}`);
  }
  const lock = await RunLock.take(out);
  try {
    return await new StudyRun(study, registration, options).toEnd();
  } finally {
    await lock.release();
  }
}

async function checkStudyTexts(study: Study): Promise<void> {
  const texts = new Set([
    ...(study.valid ?? []),
    ...study.arms.flatMap(({ training }) => training?.data ?? []),
  ]);
  await checkTexts([...texts], { isReadOnce: false });
}

/** How long a run of a study that was killed may take to save. */
const PATIENCE_MS = 120_000;

class StudyRun {
  readonly #study: Study;
  readonly #registration: Registration;
  readonly #options: RunStudyOptions;
  /** The user's wish, a failure or the budget's end: runs save and end. */
  readonly #stop = new AbortController();
  /** Seconds of training by run, of kept steps and those under way. */
  readonly #spent = new Map<RunName, number>();
  readonly #states = new Map<RunName, string>();
  #isSpent = false;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(study: Study, registration: Registration, options: RunStudyOptions) {
    this.#study = study;
    this.#registration = registration;
    this.#options = options;
  }

  async toEnd(): Promise<StudyReport> {
    const { out, parallel, signal, onNote } = this.#options;
    const { arms, seeds, budget } = this.#study;
    const onAbort = (): void => this.#stop.abort(signal.reason);
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      const runs = interleaved(
        arms.map(({ name }) => name),
        seeds,
      );
      const left: RunName[] = [];
      for (const run of runs) {
        const result = await readResult(out, this.#named(run));
        if (result === undefined) left.push(run);
        this.#spent.set(run, result?.seconds ?? (await readLog(runDirectory(out, run))).seconds);
      }
      await this.#report();
      this.#checkMinutes();
      await inTurns(left, {
        parallel,
        step: (run) => this.#turn(run),
        onFailure: () => this.#stop.abort(),
      });
      signal.throwIfAborted();
      if (this.#isSpent)
        onNote(`the budget of ${budget.minutes} minutes is spent; what is not finished is saved`);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    return await this.#report();
  }

  async #turn(run: RunName): Promise<"done" | "again" | "stop"> {
    if (this.#stop.signal.aborted) return "stop";
    try {
      const arm = this.#study.arms.find(({ name }) => name === run.arm)!;
      const isDone = await (arm.training === undefined
        ? this.#measureArm(run, arm)
        : this.#train(run, arm.training));
      if (!isDone) return this.#stop.signal.aborted ? "stop" : "again";
    } catch (error) {
      if (!(error instanceof EngramError)) throw error;
      if (error.code !== "non_finite") {
        error.message = `arm ${run.arm}, seed ${run.seed}: ${error.message}`;
        throw error;
      }
      await writeResult(this.#options.out, { ...this.#named(run), failed: error.message });
    } finally {
      this.#states.delete(run);
    }
    await this.#report();
    return "done";
  }

  /** Whether it is finished. */
  async #train(run: RunName, training: ArmTraining): Promise<boolean> {
    const { out, threads, commandOf } = this.#options;
    const { valid, slice } = this.#study;
    const directory = runDirectory(out, run);
    await this.#untilFree(directory);
    await mkdir(join(out, "runs"), { recursive: true });
    const before = this.#spent.get(run) ?? 0;
    const { outcome } = await doJob(
      {
        kind: "train",
        ...training,
        seed: run.seed,
        valid,
        out: directory,
        slice,
        command: commandOf({ ...run, ...training, valid }),
        threads,
      },
      {
        signal: this.#stop.signal,
        onStep: ({ step, steps, seconds }) => {
          this.#spent.set(run, before + seconds);
          this.#states.set(run, `${run.arm} ${run.seed}: ${step}/${steps}`);
          this.#options.onProgress([...this.#states.values()].join("   "));
          this.#checkMinutes();
        },
      },
    );
    this.#spent.set(run, (await readLog(directory)).seconds);
    if (outcome !== "finished") return false;
    const tasks = await this.#measure(directory, undefined);
    if (tasks === undefined) return false;
    const { registered } = this.#registration;
    const result = await trainedResult(out, { ...this.#named(run), files: registered.files });
    await writeResult(out, { ...result, measured: { ...result.measured!, ...tasks } });
    return true;
  }

  async #measureArm(run: RunName, arm: Arm): Promise<boolean> {
    const measured = await this.#measure(modelDirectory(arm, run.seed)!, this.#study.valid);
    if (measured === undefined) return false;
    await writeResult(this.#options.out, { ...this.#named(run), measured: measured as Measured });
    return true;
  }

  /** What is not known of a model yet: of the text `valid`, if that is given, and of the study's tasks. */
  async #measure(
    model: string,
    valid: readonly string[] | undefined,
  ): Promise<Partial<Measured> | undefined> {
    const { tasks, metrics } = this.#study;
    if (valid === undefined && tasks.length === 0) return {};
    const { threads } = this.#options;
    const { outcome, measured } = await doJob(
      { kind: "measure", model, valid, tasks, metrics, threads },
      { signal: this.#stop.signal },
    );
    return outcome === "finished" ? measured : undefined;
  }

  /** A study that was killed leaves runs that save and end by themselves. */
  async #untilFree(directory: string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      try {
        return await refuseIfHeld(directory);
      } catch (error) {
        if (!(error instanceof InvalidConfigError) || performance.now() > end) throw error;
      }
      this.#options.onProgress(`waiting for ${directory}, which is being saved`);
      await sleep(100, undefined, { signal: this.#stop.signal });
    }
  }

  #checkMinutes(): void {
    const { minutes } = this.#study.budget;
    const seconds = [...this.#spent.values()].reduce((sum, one) => sum + one, 0);
    if (minutes === undefined || seconds <= minutes * 60 || this.#isSpent) return;
    this.#isSpent = true;
    this.#stop.abort();
  }

  #named(run: RunName): RunName & { readonly study: string } {
    return { ...run, study: this.#registration.sha256 };
  }

  /** One at a time: two runs may end in the same moment. */
  #report(): Promise<StudyReport> {
    const written = this.#writing.then(() => this.#writeReport());
    this.#writing = written.catch(() => undefined);
    return written;
  }

  async #writeReport(): Promise<StudyReport> {
    const { out } = this.#options;
    const { arms, seeds } = this.#study;
    const results = [];
    for (const { name: arm } of arms)
      for (const seed of seeds) results.push(await readResult(out, this.#named({ arm, seed })));
    const report = reportStudy(this.#study, {
      registration: this.#registration,
      results: results.filter((result) => result !== undefined),
    });
    const write = (name: string, text: string): Promise<void> =>
      writeDurably(join(out, name), (file) => file.writeFile(text));
    await write("report.json", `${JSON.stringify(report, undefined, 2)}\n`);
    await write("report.svg", studySvg(report));
    await write("report.md", studyMarkdown(report));
    return report;
  }
}
