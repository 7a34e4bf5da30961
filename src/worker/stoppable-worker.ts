/**
 * Work on what strangers wrote - their regular expressions, templates, request bodies - on a thread that is ended
 * when the work takes too long or nobody wants it any more. One job at a time, in the order in which they came; the
 * thread starts with the first one, and again after it was ended. Knows no task and no platform.
 */
import { RequestError, UnavailableError } from "../errors.ts";
import { errorOf, type TaskAnswer, type TaskMessage } from "./answer-tasks.ts";
import type { StartWorker, WorkerThread } from "./worker-thread.ts";

export interface StoppableWorkerOptions {
  /** Sent to each thread before its first job: what it needs to know. Has `firstLimit` milliseconds. */
  readonly first?: TaskMessage;
  /** Jobs that may wait; more are refused with `UnavailableError`. Default 64. */
  readonly maxWaiting?: number;
}

export interface RunOptions {
  /** Milliseconds that the job may take once it has begun. */
  readonly limit: number;
  /** What to say to whoever asked when it takes longer: "the chat template did not finish". */
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

/** For starting a thread and for `first`: a tokenizer.json of 30 MB takes 2 s. */
const firstLimit = 60_000;
/** A job that nobody waits for may go on for so long: most are over by then, and a new thread takes as long. */
const grace = 100;

export class StoppableWorker {
  readonly #start: StartWorker;
  readonly #first: TaskMessage | undefined;
  readonly #maxWaiting: number;
  #thread: WorkerThread | undefined;
  #waiting: Job[] = [];
  #running: Job | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(start: StartWorker, { first, maxWaiting = 64 }: StoppableWorkerOptions = {}) {
    this.#start = start;
    this.#first = first;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * What the task made of `input`. Throws what the task threw, `RequestError` past the limit, and what `signal` says
   * when it aborts.
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

  /** Ends the thread; whoever waits gets an error. */
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
        // What an ended thread still had to say belongs to no job of today.
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

  /** What a new thread is told first. If that fails, the thread is of no use, and the job it was started for fails. */
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
    if ("error" in answer) job?.reject(errorOf(answer.error));
    else job?.resolve(answer.output);
    this.#next();
  }

  #failed(error: Error): void {
    this.#stop((what) => `${what} within its memory, and was stopped: ${error.message}`);
  }

  /** Ends the thread in the middle of its job; the next job gets a new one. */
  #stop(why: (what: string) => string): void {
    const job = this.#take();
    this.#end();
    job?.reject(new RequestError(why(job.tooSlow)));
    this.#next();
  }

  /** Nobody waits for `job`. */
  #giveUp(job: Job): void {
    if (this.#running === job) this.#setDeadline(grace);
    else this.#waiting = this.#waiting.filter((other) => other !== job);
  }

  #setDeadline(milliseconds: number): void {
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(
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
