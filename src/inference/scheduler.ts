/**
 * Continuous batching: many generations on one engine, with a bounded queue and slots. Prompts are read in chunks
 * between the steps of generating slots, and one run makes a step for all of them. A prompt that shares a prefix with
 * another one, running or finished, reuses its cache. Knows ids; not text, HTTP or time limits.
 */
import { DisposalStack } from "../disposal-stack.ts";
import { InvariantError, RequestError, UnavailableError } from "../errors.ts";
import { BesideEngine } from "./beside-engine.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { checkTokenIds, type LanguageModel } from "./language-model.ts";
import { type MemoryReport, reportMemory } from "./memory-meter.ts";
import {
  type Generation,
  type GenerationRequest,
  GenerationJob,
  type Trace,
} from "./generation-job.ts";
import { Decoder } from "./decoder.ts";
import type { Reading } from "./reading.ts";
import { choosePlace } from "./slot-choice.ts";
import type { View } from "./view.ts";

/** How many generations there may be, and how long each. */
export interface SchedulerOptions {
  /** Generations at a time. Default 4. */
  readonly parallel?: number;
  /**
   * Generations that may wait for a slot, including those of accepted requests that have not started. Default 1024.
   */
  readonly maxQueue?: number;
  /** Tokens of prompt and answer together. Default: the model's `maxPositions`. */
  readonly contextSize?: number;
}

/**
 * Places in the queue for the generations of one request, taken all together or not at all. Disposing releases unused
 * ones.
 */
export interface Places extends Disposable {
  /**
   * Queues a generation at once. Throws `RequestError` for requests that cannot be answered. The generation ends when
   * the caller breaks out of its iteration, or when `signal` aborts; then it throws the signal's reason.
   */
  submit(request: GenerationRequest): Generation;
}

/** Prompt tokens read between two steps of the generating slots. */
const chunkLength = 256;
/** Milliseconds that a step waits for jobs that are held: about a step of a small model. */
const heldPatience = 3;

/** Decodes the texts of many requests together, one step of all at a time. */
export class Scheduler {
  readonly contextSize: number;
  readonly parallel: number;
  readonly #decoder: Decoder;
  readonly #batch: BatchDecoder;
  readonly #maxQueue: number;
  readonly #besideEngine = new BesideEngine();
  readonly #waiting: GenerationJob[] = [];
  readonly #slots: (GenerationJob | undefined)[];
  /** Whose prefixes are not kept when they end. */
  readonly #toWipe = new Set<number>();
  /** The step in which each slot was last used. */
  readonly #lastUse: number[];
  #clock = 0;
  #loop: Promise<void> | undefined;
  /** Reserved places whose generations have not started. */
  #numReserved = 0;
  /** Settles when one of them is used or released. */
  #placeLeft = Promise.withResolvers<void>();
  /** Settles when a generation comes or is broken off. */
  #news = Promise.withResolvers<void>();
  /** No new requests are accepted; accepted ones may still start their generations. */
  #isDraining = false;
  #isClosed = false;
  /** Prompt tokens since the start, and those of them that came from the prefix cache. */
  readonly prefixCache: { queries: number; hits: number } = { queries: 0, hits: 0 };

  constructor(model: LanguageModel, options: SchedulerOptions = {}) {
    const { parallel = 4, maxQueue = 1024, contextSize } = options;
    this.#decoder = new Decoder(model, { capacity: contextSize });
    this.#batch = new BatchDecoder(this.#decoder, { slots: parallel });
    this.#slots = Array(parallel).fill(undefined);
    this.#lastUse = Array(parallel).fill(0);
    this.#maxQueue = maxQueue;
    this.parallel = parallel;
    this.contextSize = this.#decoder.capacity;
  }

  get numRunning(): number {
    return this.#slots.filter((job) => job?.isOver === false).length;
  }

  get numWaiting(): number {
    return this.#waiting.filter((job) => !job.isOver).length + this.#numReserved;
  }

  /** What the memory did since the start; undefined without one. */
  get memory(): MemoryReport | undefined {
    const { model, meter } = this.#decoder;
    return model.memory && reportMemory(model.memory, meter);
  }

  /** Share of the caches' positions that running generations hold. */
  get cacheUsage(): number {
    let used = 0;
    for (const [slot, job] of this.#slots.entries())
      if (job !== undefined) used += this.#batch.sessions[slot]!.length;
    return used / (this.parallel * this.contextSize);
  }

  /**
   * Reserves places for `count` generations. Throws `RequestError` for more than the queue can hold, and
   * `UnavailableError` if too many wait or `drain` was called.
   */
  reserve(count: number): Places {
    const places = this.#maxQueue + this.parallel;
    if (count > places)
      throw new RequestError(
        `${count} generations in one request are more than the queue holds (${places}); ask for fewer at a time`,
      );
    if (this.#isDraining) throw shuttingDown();
    const { numWaiting } = this;
    if (numWaiting + count > places - this.numRunning)
      throw new UnavailableError(`${numWaiting} generations are waiting already; try again later`, {
        code: "queue_full",
      });
    let left = count;
    this.#numReserved += count;
    const leave = (howMany: number): void => {
      left -= howMany;
      this.#numReserved -= howMany;
      this.#placeLeft.resolve();
      this.#placeLeft = Promise.withResolvers();
    };
    return {
      submit: (request) => {
        // Comes before the check of places, which an aborting caller may have released.
        request.signal?.throwIfAborted();
        if (left === 0)
          throw new InvariantError(`${count} places were taken, and one more is asked for`);
        const generation = this.#submit(request);
        leave(1);
        return generation;
      },
      [Symbol.dispose]: () => leave(left),
    };
  }

  /** Reserves one place and queues a generation there. Throws what `reserve` and `Places` throw. */
  submit(request: GenerationRequest): Generation {
    using places = this.reserve(1);
    return places.submit(request);
  }

  #submit(request: GenerationRequest): Generation {
    const { promptIds, maxTokens, signal } = request;
    checkTokenIds(promptIds, this.#decoder.model.config.vocabSize);
    if (promptIds.length === 0) throw new RequestError("a prompt needs at least one token");
    if (promptIds.length > this.contextSize)
      throw new RequestError(
        `the prompt has ${promptIds.length} tokens, the context holds ${this.contextSize}; shorten it`,
      );
    if (!Number.isInteger(maxTokens) || maxTokens < 0)
      throw new RequestError(`maxTokens must be 0 or more, got ${maxTokens}`);
    if (request.poolPrompt === true && maxTokens !== 0)
      throw new RequestError(`poolPrompt goes with a maxTokens of 0, got ${maxTokens}`);
    if (this.#isClosed) throw shuttingDown();
    const job = new GenerationJob(request, { besideEngine: this.#besideEngine });
    const onAbort = (): void => {
      job.fail(signal!.reason);
      this.#news.resolve();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#waiting.push(job);
    this.#wake();
    return job.steps();
  }

  /** Keeps no prefix that was read under such a view: those at once, running ones when they end. */
  clear(isMeant: (view: View) => boolean): void {
    for (const [slot, session] of this.#batch.sessions.entries()) {
      if (!isMeant(session.view)) continue;
      if (this.#slots[slot] === undefined) session.wipe();
      else this.#toWipe.add(slot);
    }
  }

  /** Accepts no more requests; resolves when all generations of accepted ones have ended. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    while (this.#loop !== undefined || (this.#numReserved > 0 && !this.#isClosed))
      await (this.#loop ?? this.#placeLeft.promise);
  }

  /** Ends everything at once and frees the engine's memory. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#news.resolve();
    // Ends a `drain` that waits for places.
    this.#placeLeft.resolve();
    for (const job of [...this.#waiting, ...this.#slots]) job?.fail(shuttingDown());
    await using parts = new DisposalStack();
    parts.adopt(this.#decoder, (decoder) => decoder.dispose());
    parts.adopt(this.#batch, (batch) => batch.dispose());
    await this.drain();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #wake(): void {
    this.#news.resolve();
    const failAll = (error: unknown): void => {
      for (const job of [...this.#waiting, ...this.#slots]) job?.fail(error);
    };
    this.#loop ??= this.#run()
      .catch(failAll)
      .finally(() => {
        this.#loop = undefined;
        // A request may have arrived since the last check.
        if (this.#waiting.length > 0) this.#wake();
      });
  }

  async #run(): Promise<void> {
    for (;;) {
      // What comes from here on is seen in the next round.
      this.#news = Promise.withResolvers();
      this.#release();
      this.#admit();
      const jobs = this.#slots.filter((job) => job !== undefined);
      if (jobs.length === 0) return;
      this.#clock++;
      const reading = jobs.find((job) => job.next === undefined && !job.isHeld);
      if (reading !== undefined) await this.#attempt([reading], () => this.#read(reading));
      await this.#untilAsked(jobs);
      const writing = jobs.filter((job) => job.next !== undefined && !job.isOver && !job.isHeld);
      if (writing.length > 0) await this.#attempt(writing, () => this.#write(writing));
    }
  }

  /**
   * Waits for what may come next in held jobs: for a moment, so that they keep step with the others, and longer where
   * there are no others.
   */
  async #untilAsked(jobs: readonly GenerationJob[]): Promise<void> {
    const held = jobs.filter((job) => job.isHeld);
    if (held.length === 0) return;
    const isAlone = jobs.every((job) => job.isHeld || job.isOver);
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      Promise.all(held.map((job) => job.asking)),
      this.#news.promise,
      isAlone
        ? Promise.race(held.map((job) => job.asking))
        : new Promise((resolve) => (timer = setTimeout(resolve, heldPatience))),
    ]);
    clearTimeout(timer);
  }

  /** A failed step fails its own jobs and no others. */
  async #attempt(jobs: readonly GenerationJob[], step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      for (const job of jobs) job.fail(error);
    }
  }

  #release(): void {
    for (const [slot, job] of this.#slots.entries()) {
      if (job?.isOver !== true) continue;
      this.#slots[slot] = undefined;
      if (this.#toWipe.delete(slot)) this.#batch.sessions[slot]!.wipe();
    }
    for (let i = this.#waiting.length - 1; i >= 0; i--)
      if (this.#waiting[i]!.isOver) this.#waiting.splice(i, 1);
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#slots.includes(undefined)) {
      const job = this.#waiting.shift()!;
      const { promptIds, scale = 1, promptLogProbs, trace, poolPrompt } = job.request;
      const { memory = this.#decoder.model.memory, partition } = job.request;
      const view = { memory, scale, partition };
      const needsAll = [promptLogProbs, trace, poolPrompt].includes(true);
      const { sessions } = this.#batch;
      const place = choosePlace(promptIds, {
        // Cached positions would have neither log-probabilities nor gates nor hidden states.
        mayReuse: !needsAll,
        slots: sessions.map((session, slot) => ({
          session,
          isFree: this.#slots[slot] === undefined,
          isKept: !this.#toWipe.has(slot),
          lastUse: this.#lastUse[slot]!,
        })),
        view,
      });
      const session = sessions[place.slot]!;
      if (place.keepIn !== undefined) {
        const kept = sessions[place.keepIn]!;
        kept.restart(session.view);
        kept.copyPrefix(session, session.length);
        this.#lastUse[place.keepIn] = this.#lastUse[place.slot]!;
      }
      session.restart(view, { length: place.from === place.slot ? place.prefix : 0 });
      if (place.from !== place.slot && place.prefix > 0)
        session.copyPrefix(sessions[place.from]!, place.prefix);
      this.prefixCache.queries += promptIds.length;
      this.prefixCache.hits += place.prefix;
      job.start(session, place);
      this.#slots[place.slot] = job;
    }
  }

  /** Reads one chunk of a prompt; after the last, the first token is sampled. */
  async #read(job: GenerationJob): Promise<void> {
    const { session, request } = job;
    const { promptIds, promptLogProbs = false, poolPrompt = false, maxTokens } = request;
    this.#lastUse[job.slot] = this.#clock;
    const from = session.length;
    const ids = promptIds.slice(from, from + chunkLength);
    const isLast = from + ids.length === promptIds.length;
    if (!isLast)
      session.expect(promptIds.slice(from, from + 2 * chunkLength), { skip: chunkLength });
    const wanted = poolPrompt ? "none" : promptLogProbs ? "all" : "last";
    const reading = await session.append(ids, { logits: wanted });
    const { logits, hidden } = reading;
    if (promptLogProbs) job.scorePrompt(ids, logits);
    if (poolPrompt) job.poolPrompt(hidden, ids.length);
    if (request.trace === true) job.tracePrompt(traceOf(reading, { start: from, ids }));
    if (!isLast || job.isOver) return;
    job.promptRead();
    if (maxTokens === 0) job.finish("length");
    else job.offer(logits.subarray(-this.#decoder.model.config.vocabSize), undefined);
  }

  async #write(jobs: readonly GenerationJob[]): Promise<void> {
    const entries = jobs.map((job) => ({ slot: job.slot, id: job.next! }));
    const start = performance.now();
    let results: Reading[];
    try {
      results = await this.#batch.step(entries);
    } catch (error) {
      if (jobs.length === 1) throw error;
      // The step was undone. Run one by one, only the faulty jobs fail.
      for (const job of jobs) await this.#attempt([job], () => this.#write([job]));
      return;
    }
    this.#besideEngine.ran(performance.now() - start);
    for (const [i, job] of jobs.entries()) {
      this.#lastUse[job.slot] = this.#clock;
      if (job.isOver) continue;
      const reading = results[i]!;
      const place = { start: job.session.length - 1, ids: [entries[i]!.id] };
      job.offer(reading.logits, job.request.trace === true ? traceOf(reading, place) : undefined);
    }
  }
}

function shuttingDown(): UnavailableError {
  return new UnavailableError("the server is shutting down; ask another one", {
    code: "shutting_down",
  });
}

/** The trace of the memory at `ids`, which start at position `start`. */
function traceOf(
  { gates, rows }: Reading,
  { start, ids }: { start: number; ids: readonly number[] },
): Trace {
  const perPosition = (all: Uint32Array): number[][] => {
    const columns = all.length / ids.length;
    return ids.map((_, t) => Array.from(all.subarray(t * columns, (t + 1) * columns)));
  };
  return {
    start,
    ids,
    gates: new Map([...gates].map(([layer, values]) => [layer, Array.from(values)])),
    rows: new Map([...rows].map(([layer, all]) => [layer, perPosition(all)])),
  };
}
