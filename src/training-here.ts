/**
 * A training run in this program's memory that can be asked for, watched and stopped: what a page offers. One run at a
 * time. When it is done, whoever made it is given the model. Knows no page and no server.
 */
import { RequestError } from "./errors.ts";
import type { Model } from "./opened-model.ts";
import type { TrainEvent, TrainSummary } from "./run-training.ts";
import type { Backend } from "./tensor/index.ts";
import { trainInMemory, type TrainInMemoryOptions } from "./train-in-memory.ts";
import {
  advance,
  emptyProgress,
  type Preset,
  type RunSummary,
  summaryOf,
  type TrainingLine,
} from "./training/index.ts";

export interface TextToTrain {
  readonly name: string;
  readonly text: string;
}

export interface TrainingHereOptions extends Pick<TrainInMemoryOptions, "factsFor"> {
  readonly preset: Preset;
  readonly backend: () => Promise<Backend>;
  /** The text where none is given. */
  readonly sample: () => Promise<TextToTrain>;
  /** Takes the model, which is the caller's from then on. */
  readonly onModel: (model: Model, summary: TrainSummary) => void;
}

export interface TrainingHereState {
  readonly state: "idle" | "running" | "finished" | "stopped" | "failed";
  readonly step: number;
  readonly steps: number;
  readonly seconds_left: number | null;
  /** What is being done, or why it failed. */
  readonly note: string;
  /** What the model wrote last. */
  readonly sample: string | null;
}

export class TrainingHere {
  readonly name = "this page";
  readonly #options: TrainingHereOptions;
  #state: TrainingHereState;
  #abort: AbortController | undefined;
  #lines: TrainingLine[] = [];
  #progress = emptyProgress();
  #result: TrainSummary | undefined;
  #updatedAt: number | undefined;
  /** Grows with each run: cursors of an earlier one are no longer good. */
  #run = 0;

  constructor(options: TrainingHereOptions) {
    this.#options = options;
    this.#state = this.#fresh("idle", "");
  }

  state(): TrainingHereState {
    return this.#state;
  }

  /** Throws `RequestError` while a run goes on. */
  start(text?: TextToTrain): void {
    if (this.#state.state === "running")
      throw new RequestError("a training is running already; stop it first");
    this.#run++;
    this.#lines = [];
    this.#progress = emptyProgress();
    this.#result = undefined;
    this.#state = this.#fresh("running", "reading the text");
    const { signal } = (this.#abort = new AbortController());
    void this.#train(text, signal);
  }

  stop(): void {
    this.#abort?.abort();
  }

  async summary(): Promise<RunSummary & { settings: Record<string, string> }> {
    const { name } = this;
    const result = this.#result && { ...this.#result };
    const found = { name, path: "", updatedAt: this.#updatedAt, result };
    return { ...summaryOf(this.#progress, found), settings: {} };
  }

  /** `RunSource` of the server. */
  async read({ cursor }: { cursor: string }): Promise<{
    lines: readonly TrainingLine[];
    cursor: string;
    isRestart: boolean;
    isEnd: boolean;
  }> {
    const [run, at] = cursor.split(".").map(Number);
    const isSame = run === this.#run && Number.isInteger(at) && at! <= this.#lines.length;
    return {
      lines: this.#lines.slice(isSame ? at : 0),
      cursor: `${this.#run}.${this.#lines.length}`,
      isRestart: cursor !== "" && !isSame,
      isEnd: true,
    };
  }

  async #train(given: TextToTrain | undefined, signal: AbortSignal): Promise<void> {
    const { preset, backend, sample, factsFor, onModel } = this.#options;
    try {
      const { name, text } = given ?? (await sample());
      const { model, summary } = await trainInMemory(text, {
        name,
        preset,
        backend: await backend(),
        signal,
        factsFor,
        onEvent: (event) => this.#tell(event),
        onLine: (line) => {
          this.#lines.push(line);
          this.#updatedAt = Date.now();
          advance(this.#progress, line);
        },
      });
      this.#result = summary;
      this.#state = { ...this.#state, state: "finished", note: "", seconds_left: 0 };
      onModel(model, summary);
    } catch (error) {
      const note = signal.aborted ? "" : (error as Error).message;
      this.#state = { ...this.#state, state: signal.aborted ? "stopped" : "failed", note };
    }
  }

  #tell(event: TrainEvent): void {
    if (event.type === "phase") this.#state = { ...this.#state, note: event.text };
    if (event.type === "sample") this.#state = { ...this.#state, sample: event.text };
    if (event.type === "step") {
      const { step } = event.report;
      const seconds_left = Math.round(event.secondsLeft);
      this.#state = { ...this.#state, step, seconds_left, note: "" };
    }
  }

  #fresh(state: TrainingHereState["state"], note: string): TrainingHereState {
    const { steps } = this.#options.preset.training;
    return { state, step: 0, steps, seconds_left: null, note, sample: null };
  }
}
