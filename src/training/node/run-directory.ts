/**
 * The directory of one training run: its checkpoints and its metrics log. Refuses to overwrite a run that could be
 * resumed, and to resume where there is no run. Knows files; not what is trained.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { FileRecord } from "../../checkpoint/index.ts";
import {
  type Checkpoint,
  findCheckpoints,
  readTextInside,
  setAside,
  writeDurably,
  writeManifest,
} from "../../checkpoint/node/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import type { TokenStream } from "../../inference/index.ts";
import { CARD_MARK, CARD_NAME } from "../model-card.ts";
import {
  formatRunRecord,
  parseRunRecord,
  type RunRecord,
  type StoredRun,
  withResumption,
} from "../run-record.ts";
import { advance, emptyProgress } from "../run-progress.ts";
import { MetricsLog, type MetricsLine } from "./metrics-log.ts";
import { readRunLog } from "./run-log.ts";
import { Resumption } from "./resumption.ts";
import { clearLock, refuseIfHeld, RunLock } from "./run-lock.ts";
import {
  type CheckpointContents,
  type RestoredContents,
  saveTrainingState,
} from "./training-state.ts";

/** The plan of a run: the first line of its log. */
export interface RunPlan {
  readonly steps: number;
  readonly numParams: number;
  readonly numRows: number;
}

export interface OpenRunOptions {
  readonly resume: boolean;
  /** Called with notes on damage that does not stop the run, and with the step from which it resumes. */
  readonly onNote?: (text: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const metricsName = "metrics.jsonl";
const runName = "run.json";
/** A run's own files, in the order in which they are written. */
const runNames = [runName, metricsName, "training.json"] as const;

/** The record of the run in `directory`, or of the one that made the model there; undefined if it has none. */
export async function readRunRecord(directory: string): Promise<StoredRun | undefined> {
  const file = join(directory, runName);
  const text = await readTextInside(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseRunRecord(text, file);
}

/**
 * Copies run.json and the model card to the directory of a model that is derived from this one, with `note` at the
 * card's end. Returns the names of the files.
 */
export async function carryRecord(
  from: string,
  { to, note }: { readonly to: string; readonly note: string },
): Promise<string[]> {
  const carried: string[] = [];
  for (const name of [runName, CARD_NAME]) {
    const text = await readTextInside(join(from, name)).catch(() => undefined);
    if (text === undefined) continue;
    await mkdir(to, { recursive: true });
    await writeDurably(join(to, name), (handle) =>
      handle.writeFile(name === CARD_NAME ? `${text.trimEnd()}\n\n${note}\n` : text),
    );
    carried.push(name);
  }
  return carried;
}

export class RunDirectory {
  readonly #out: string;
  readonly #checkpoints: string;
  readonly #resumption: Resumption | undefined;
  /** Checkpoints that existed when the run was opened. */
  readonly #found: readonly Checkpoint[];
  readonly #note: (text: string) => void;
  #lock: RunLock | undefined;
  #log: MetricsLog | undefined;

  private constructor(
    out: string,
    parts: {
      found: readonly Checkpoint[];
      resumption: Resumption | undefined;
      note: (text: string) => void;
    },
  ) {
    this.#out = out;
    this.#checkpoints = join(out, "checkpoints");
    this.#found = parts.found;
    this.#resumption = parts.resumption;
    this.#note = parts.note;
  }

  /**
   * Throws `InvalidConfigError` if a run cannot start or resume in `out`, and `FormatError` if all of its checkpoints
   * are damaged. Changes nothing but the lock of a run that has ended.
   */
  static async open(
    out: string,
    { resume, onNote = () => undefined, signal }: OpenRunOptions,
  ): Promise<RunDirectory> {
    await refuseIfHeld(out);
    const found = await findCheckpoints(join(out, "checkpoints"));
    const newest = found.at(-1);
    if (newest === undefined && existsSync(join(out, "config.json"))) {
      await clearLock(out);
      throw new InvalidConfigError(
        resume
          ? `${out} already holds a finished model: its run ended, and nothing is left to resume. Use the model, or train into another --out`
          : `${out} already holds a finished model; train into another directory, or remove it first`,
      );
    }
    if (newest !== undefined && !resume)
      throw new InvalidConfigError(
        `${out} holds an unfinished run (step ${newest.step}); go on with --resume, or use another --out`,
      );
    if (newest === undefined && resume) {
      if (!runNames.some((name) => existsSync(join(out, name))))
        throw new InvalidConfigError(
          `${out} holds no run to resume; check --out, or leave out --resume to begin one there`,
        );
      onNote(`the run in ${out} never reached a checkpoint; beginning at step 0`);
    }
    const resumption = resume ? await Resumption.find(found, { signal }) : undefined;
    return new RunDirectory(out, { found, resumption, note: onNote });
  }

  /** The text of tokenizer.json of the resumed run; undefined for a new run. */
  get tokenizer(): string | undefined {
    return this.#resumption?.tokenizer;
  }

  /** Steps done. */
  get step(): number {
    return this.#resumption?.checkpoint.step ?? 0;
  }

  /** Fills arrays and tables from the newest undamaged checkpoint; returns false if the run starts at step 0. */
  async restore(contents: RestoredContents): Promise<boolean> {
    if (this.#resumption === undefined) return false;
    await this.#resumption.restore(contents);
    for (const { reason } of this.#resumption.damaged) this.#note(`passed over: ${reason}`);
    this.#note(`going on from step ${this.step}`);
    return true;
  }

  /**
   * Creates the directory and the log, or drops the log's lines after the checkpoint. Call it when the text was read,
   * so that a refused run leaves no files. From now on the directory is locked.
   */
  async begin(plan: RunPlan): Promise<void> {
    await mkdir(this.#out, { recursive: true });
    this.#lock = await RunLock.take(this.#out);
    const now = await findCheckpoints(this.#checkpoints);
    const isFinished = now.length === 0 && existsSync(join(this.#out, "config.json"));
    if (now.at(-1)?.path !== this.#found.at(-1)?.path || isFinished)
      throw new InvalidConfigError(
        `${this.#out} was trained into by another run in the meantime; begin again`,
      );
    // Moves damaged checkpoints away. New ones have lower steps and would otherwise be removed as older.
    for (const checkpoint of this.#resumption?.damaged ?? []) {
      const aside = await setAside(this.#checkpoints, checkpoint);
      this.#note(`${checkpoint.path} is now ${basename(aside)}, and goes when the run has ended`);
    }
    const file = join(this.#out, metricsName);
    this.#log =
      this.#resumption === undefined
        ? await MetricsLog.begin(file, { ...plan })
        : await MetricsLog.goOn(file, {
            step: this.step,
            record: this.#resumption.state.beside.get(metricsName),
            onDamage: this.#note,
          });
  }

  /**
   * Writes run.json before the first step; a resumed run adds an entry. A file that is damaged or from another
   * release is replaced: nothing depends on it.
   */
  async record(run: RunRecord): Promise<void> {
    const file = join(this.#out, runName);
    const { step } = this;
    const { begun, command, versions, commit, machine } = run;
    const before = step === 0 ? undefined : await readRunRecord(this.#out).catch(() => undefined);
    const now = { step, begun, command, versions, commit, machine };
    await writeDurably(file, (handle) =>
      handle.writeFile(formatRunRecord(before ? withResumption(before, now) : { ...run })),
    );
    await writeManifest(this.#out, [runName]);
  }

  /** Writes the model card, README.md, unless there is one that somebody has edited. */
  async card(write: (name: string) => string): Promise<void> {
    const text = write(basename(resolve(this.#out)));
    const file = join(this.#out, CARD_NAME);
    const there = await readFile(file, "utf8").catch(() => CARD_MARK);
    if (there.includes(CARD_MARK)) await writeDurably(file, (handle) => handle.writeFile(text));
  }

  /** Where tables out of core have their logs: gone with the checkpoints that refer to them. */
  get rowLogs(): string {
    return this.#checkpoints;
  }

  async log(line: MetricsLine): Promise<void> {
    await this.#log?.append(line);
  }

  /** What its steps took, those before it was resumed too, by its log. */
  async seconds(): Promise<number> {
    const progress = emptyProgress();
    const file = join(this.#out, metricsName);
    for (let [cursor, isEnd] = ["", false]; !isEnd;) {
      const part = await readRunLog(file, { cursor });
      for (const line of part.lines) advance(progress, line);
      ({ cursor, isEnd } = part);
    }
    return progress.seconds;
  }

  /** Resolves to the checkpoint's path. */
  async save(contents: Omit<CheckpointContents, "beside">): Promise<string> {
    const beside = new Map<string, FileRecord>();
    // Its present length: lines will be added.
    if (this.#log !== undefined) beside.set(metricsName, this.#log.record);
    return (await saveTrainingState(this.#checkpoints, { ...contents, beside })).path;
  }

  /** Names of the run's own files that exist, including the model card. */
  get files(): readonly string[] {
    return [...runNames, CARD_NAME].filter((name) => existsSync(join(this.#out, name)));
  }

  /** Writes the result of the run, training.json. It comes before the model, so that no model lacks it. */
  async summarize(summary: object): Promise<void> {
    const text = `${JSON.stringify(summary, undefined, 2)}\n`;
    await writeDurably(join(this.#out, "training.json"), (file) => file.writeFile(text));
  }

  /** Unlocks the directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.release();
  }

  /** When the model is saved, its checkpoints are no longer needed. */
  async removeCheckpoints(): Promise<void> {
    await rm(this.#checkpoints, { recursive: true, force: true });
  }
}

/** Identifies a text: SHA-256 of the tokens and document starts. */
export function fingerprint({ tokens, starts }: TokenStream): string {
  return createHash("sha256").update(tokens).update(starts).digest("hex");
}
