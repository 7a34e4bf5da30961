/**
 * Runs work on untrusted input (regular expressions, templates, request bodies) on a thread that is ended when the work
 * takes too long or is aborted. One job at a time, in order of arrival. The thread starts with the first job, and again
 * with the first job after it was ended. Knows no task and no platform.
 */
import { RequestError, UnavailableError } from "../errors.ts";
import { errorOf, type TaskAnswer, type TaskMessage } from "./answer-tasks.ts";
import type { StartWorker, WorkerThread } from "./worker-thread.ts";

export interface StoppableWorkerOptions {
  /** Sent to each thread before its first job, for what it needs to load. Time limit: `firstLimit` milliseconds. */
  readonly first?: TaskMessage;
  /** The most jobs that may wait; more are refused with `UnavailableError`. Default 64. */
  readonly maxWaiting?: number;
  /** Whether a job that fails ends its thread: for work that leaves its thread in any state then. Default false. */
  readonly endsOnError?: boolean;
}

export interface RunOptions {
  /** Time limit of the job in milliseconds, from its start: of the processor's time, where the thread knows that. */
  readonly limit: number;
  /** Start of the error message if the job exceeds its limit, for example "the chat template did not finish". */
  readonly tooSlow: string;
  readonly signal?: AbortSignal | undefined;
  readonly transfer?: readonly ArrayBuffer[];
}

interface Job extends TaskMessage {
  readonly limit: number;
  readonly tooSlow: string;
  readonly transfer: readonly ArrayBuffer[];
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** For starting a thread and for `first`. A tokenizer.json of 30 MB takes 2 s. */
const firstLimit = 60_000;
/** How long an aborted job may still run, in milliseconds. Most end in this time, and a new thread takes as long. */
const grace = 100;

export class StoppableWorker {
  readonly #start: StartWorker;
  readonly #first: TaskMessage | undefined;
  readonly #maxWaiting: number;
  readonly #endsOnError: boolean;
  #thread: WorkerThread | undefined;
  #waiting: Job[] = [];
  #running: Job | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(
    start: StartWorker,
    { first, maxWaiting = 64, endsOnError = false }: StoppableWorkerOptions = {},
  ) {
    this.#start = start;
    this.#first = first;
    this.#maxWaiting = maxWaiting;
    this.#endsOnError = endsOnError;
  }

  /**
   * The result of the task for `input`. Throws the task's own error, `RequestError` if the limit is exceeded, and the
   * reason of `signal` if it is aborted.
   */
  run(task: string, input: unknown, options: RunOptions): Promise<unknown> {
    const { limit, tooSlow, signal, transfer = [] } = options;
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closed();
      signal?.throwIfAborted();
      if (this.#waiting.length >= this.#maxWaiting)
        throw new UnavailableError(
          `${this.#waiting.length} pieces of work wait for this worker already; try again`,
          { code: "queue_full" },
        );
      const onAbort = (): void => {
        reject(signal!.reason);
        this.#giveUp(job);
      };
      const settle = (): void => signal?.removeEventListener("abort", onAbort);
      const job: Job = {
        task,
        input,
        limit,
        tooSlow,
        transfer,
        resolve: (output) => (settle(), resolve(output)),
        reject: (error) => (settle(), reject(error)),
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(job);
      this.#next();
    });
  }

  /** Ends the thread. Jobs that run or wait fail with an error. */
  close(): void {
    this.#isClosed = true;
    this.#end();
    for (const job of this.#waiting.splice(0)) job.reject(closed());
  }

  #next(): void {
    if (this.#running !== undefined) return;
    if (this.#waiting.length === 0) return this.#thread?.keepAlive(false);
    if (this.#thread === undefined) {
      const thread = this.#start({
        // A late message of an ended thread belongs to no current job.
        onMessage: (answer) => {
          if (this.#thread === thread) this.#answered(answer as TaskAnswer);
        },
        onFailure: (error) => {
          if (this.#thread === thread) this.#failed(error);
        },
      });
      this.#thread = thread;
      if (this.#first !== undefined) return this.#begin(this.#opening(this.#first));
    }
    this.#begin(this.#waiting.shift()!);
  }

  /** The first message to a new thread. If it fails, the thread is useless, and the job it was started for fails. */
  #opening(first: TaskMessage): Job {
    return {
      ...first,
      limit: firstLimit,
      tooSlow: "what a worker has to read before its first job was not read",
      transfer: [],
      resolve: () => {},
      reject: (error) => {
        this.#end();
        this.#waiting.shift()?.reject(error);
      },
    };
  }

  #begin(job: Job): void {
    this.#running = job;
    this.#thread!.keepAlive(true);
    this.#setDeadline(job.limit);
    const { task, input, transfer } = job;
    this.#thread!.post({ task, input } satisfies TaskMessage, transfer);
  }

  #answered(answer: TaskAnswer): void {
    const job = this.#take();
    if ("error" in answer) {
      if (this.#endsOnError) this.#end();
      job?.reject(errorOf(answer.error));
    } else job?.resolve(answer.output);
    this.#next();
  }

  #failed(error: Error): void {
    this.#stop((what) => `${what} within its memory, and was stopped: ${error.message}`);
  }

  /** Ends the thread in the middle of its job. The next job gets a new one. */
  #stop(why: (what: string) => string): void {
    const job = this.#take();
    this.#end();
    job?.reject(new RequestError(why(job.tooSlow)));
    this.#next();
  }

  /** `job` was aborted by its caller. */
  #giveUp(job: Job): void {
    if (this.#running === job) this.#setDeadline(grace);
    else this.#waiting = this.#waiting.filter((other) => other !== job);
  }

  #setDeadline(milliseconds: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = (this.#thread!.setTimeout ?? setTimeout)(
      () =>
        this.#stop(
          (what) => `${what} within ${Number((milliseconds / 1000).toFixed(1))} s, and was stopped`,
        ),
      milliseconds,
    );
  }

  #take(): Job | undefined {
    clearTimeout(this.#deadline);
    const job = this.#running;
    this.#running = undefined;
    return job;
  }

  #end(): void {
    this.#take()?.reject(closed());
    this.#thread?.terminate();
    this.#thread = undefined;
  }
}

function closed(): UnavailableError {
  return new UnavailableError("this worker has been closed", { code: "shutting_down" });
}
