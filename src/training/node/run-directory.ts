/**
 * The directory of one training run: its checkpoints and its metrics log. Refuses to start over a run
 * that could be resumed. Knows files; not what is trained.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Checkpoint, newestCheckpoint, writeDurably } from "../../checkpoint/node/index.ts";
import { InvalidConfigError } from "../../errors.ts";
import type { TokenStream } from "../../inference/index.ts";
import { refuseIfHeld, RunLock } from "./run-lock.ts";
import { appendMetrics, beginMetrics, type MetricsLine, truncateMetrics } from "./metrics-log.ts";
import { type CheckpointContents, saveTrainingState } from "./training-state.ts";

/** What a run is to be: the first line of its log. */
export interface RunPlan {
  readonly steps: number;
  readonly numParams: number;
  readonly numRows: number;
}

export class RunDirectory {
  /** Where to go on, if this is a resumed run. */
  readonly checkpoint: Checkpoint | undefined;
  readonly #out: string;
  readonly #checkpoints: string;
  readonly #metrics: string;
  #lock: RunLock | undefined;

  private constructor(out: string, checkpoint: Checkpoint | undefined) {
    this.checkpoint = checkpoint;
    this.#out = out;
    this.#checkpoints = join(out, "checkpoints");
    this.#metrics = join(out, "metrics.jsonl");
  }

  static async open(out: string, { resume }: { resume: boolean }): Promise<RunDirectory> {
    await refuseIfHeld(out);
    const checkpoint = await newestCheckpoint(join(out, "checkpoints"));
    if (checkpoint === undefined && existsSync(join(out, "config.json")))
      throw new InvalidConfigError(
        `${out} already holds a finished model; train into another directory, or remove it first`,
      );
    if (checkpoint !== undefined && !resume)
      throw new InvalidConfigError(
        `${out} holds an unfinished run (step ${checkpoint.step}); go on with --resume, or use another --out`,
      );
    return new RunDirectory(out, checkpoint);
  }

  /** Makes the directory and begins the log, or takes from it what will be trained again. Called once the text has
   *  been read, so that a run that is refused leaves nothing behind. From now on nobody else may train there. */
  async begin(plan: RunPlan): Promise<void> {
    await mkdir(this.#out, { recursive: true });
    this.#lock = await RunLock.take(this.#out);
    const newest = await newestCheckpoint(this.#checkpoints);
    const isFinished = newest === undefined && existsSync(join(this.#out, "config.json"));
    if (newest?.step !== this.checkpoint?.step || isFinished)
      throw new InvalidConfigError(
        `${this.#out} was trained into by another run in the meantime; begin again`,
      );
    if (this.checkpoint === undefined) await beginMetrics(this.#metrics, { ...plan });
    else await truncateMetrics(this.#metrics, this.checkpoint.step);
  }

  /** Where a table that is kept out of core has its rows: gone with the checkpoints that refer to it. */
  rowLogPath(layerId: number): string {
    return join(this.#checkpoints, `layer-${layerId}.rows`);
  }

  log(line: MetricsLine): Promise<void> {
    return appendMetrics(this.#metrics, line);
  }

  /** Resolves to the checkpoint's path. */
  async save(contents: CheckpointContents): Promise<string> {
    return (await saveTrainingState(this.#checkpoints, contents)).path;
  }

  /** What came of the run, as training.json. Written before the model, so that no model lacks it. */
  async summarize(summary: object): Promise<void> {
    const text = `${JSON.stringify(summary, undefined, 2)}\n`;
    await writeDurably(join(this.#out, "training.json"), (file) => file.writeFile(text));
  }

  /** Others may train there. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock?.release();
  }

  /** Once the model is saved, its checkpoints have done their work. */
  async removeCheckpoints(): Promise<void> {
    await rm(this.#checkpoints, { recursive: true, force: true });
  }
}

/** Tells one text from another: SHA-256 of the tokens and where documents start. */
export function fingerprint({ tokens, starts }: TokenStream): string {
  return createHash("sha256").update(tokens).update(starts).digest("hex");
}
