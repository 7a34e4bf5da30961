/** What a study asks of a process that trains or measures for it, and what that process says. Types only. */
import type { Measured } from "../metrics.ts";
import type { StudyTask } from "../study-file.ts";

/** Trains a run, or a part of it: until its next multiple of `slice` steps. */
export interface TrainJob {
  readonly kind: "train";
  readonly presetName: string;
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly memory: boolean;
  readonly seed: number;
  readonly data: readonly string[];
  readonly valid: readonly string[] | undefined;
  readonly tokenizer: string | undefined;
  readonly out: string;
  readonly slice: number | undefined;
  readonly command: string;
}

/** Times the steps of a run into a directory that is thrown away. */
export interface RehearseJob extends Omit<TrainJob, "kind" | "slice"> {
  readonly kind: "rehearse";
}

/** Measures a model that is there. */
export interface MeasureJob {
  readonly kind: "measure";
  readonly model: string;
  /** undefined: only tasks are asked. */
  readonly valid: readonly string[] | undefined;
  readonly tasks: readonly StudyTask[];
  readonly metrics: readonly string[];
}

export type Job = (TrainJob | RehearseJob | MeasureJob) & { readonly threads: number };

/** To the process. */
export type Order =
  | { readonly type: "begin"; readonly job: Job }
  /** Save, and end. */
  | { readonly type: "stop" };

/** From it. The last one is "done" or "failed". */
export type Answer =
  | {
      readonly type: "step";
      readonly step: number;
      readonly steps: number;
      /** Since the process began. */
      readonly seconds: number;
    }
  | Done
  | { readonly type: "failed"; readonly code: string; readonly message: string };

export interface Done {
  readonly type: "done";
  /** "stopped": on request. "paused": the slice is done. */
  readonly outcome: "finished" | "paused" | "stopped";
  /** Of "measure". */
  readonly measured?: Partial<Measured>;
  /** Of "rehearse". */
  readonly secondsPerStep?: number;
}
