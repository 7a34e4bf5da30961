/**
 * One generation in the scheduler: its request, its progress, and its steps until the caller takes them. Chooses the
 * next token and decides which is the last. Knows no engine.
 */
import { RequestError } from "../errors.ts";
import type { Memory } from "../memory/memory.ts";
import type { BesideEngine } from "./beside-engine.ts";
import { type Constraint, restricted } from "./constraint.ts";
import { type TokenLogProbs, logProbsOf } from "./log-probs.ts";
import type { Sampler } from "./sampling.ts";
import type { Session } from "./session.ts";

export interface GenerationRequest {
  /** At least one id. */
  readonly promptIds: readonly number[];
  /** 0 only reads the prompt. */
  readonly maxTokens: number;
  readonly sampler: Sampler;
  /** Ids that end the text; the one that did is the last step. */
  readonly stopIds?: readonly number[];
  /** Tokens that come before one of `stopIds` may. Default 0. */
  readonly minTokens?: number;
  /** Default: every token may come at any time. */
  readonly constraint?: Constraint | undefined;
  /** Factor of what the memory adds; 0 is the model without memory. Default 1. */
  readonly scale?: number;
  /** Read in place of the model's memory; has the same inputs. */
  readonly memory?: Memory | undefined;
  /** See `View.partition`. */
  readonly partition?: string | undefined;
  /** Log-probabilities of each token, and of that many of the likeliest. Default: none. */
  readonly topLogProbs?: number;
  /** Log-probabilities of the prompt's tokens, too. */
  readonly promptLogProbs?: boolean;
  /** Gates and rows of every position read. */
  readonly trace?: boolean;
  /** The mean of the prompt's final hidden states; only with a `maxTokens` of 0. */
  readonly poolPrompt?: boolean;
  readonly signal?: AbortSignal;
}

/** Gates and rows of the memory at positions that were read, in order. */
export interface Trace {
  /** Position of the first. */
  readonly start: number;
  readonly ids: readonly number[];
  /** One value a position, by Engram layer. */
  readonly gates: ReadonlyMap<number, readonly number[]>;
  /** The rows of each position, by Engram layer. */
  readonly rows: ReadonlyMap<number, readonly (readonly number[])[]>;
}

export interface PromptStep {
  readonly kind: "prompt";
  /** Tokens that came from the prefix cache. */
  readonly cachedTokens: number;
  /** One a token; the first has none. */
  readonly logProbs: readonly (TokenLogProbs | null)[] | undefined;
  readonly trace: Trace | undefined;
  /** [D], if `poolPrompt` asked for it. */
  readonly pooled: Float32Array | undefined;
  /** When the generation got its slot. */
  readonly startTime: number;
  /** Milliseconds on the clock of `performance.now()`, as for all steps. */
  readonly time: number;
}

export interface TokenStep {
  readonly kind: "token";
  readonly id: number;
  /** Whether the token is one of `stopIds`: it ends the text and does not belong to it. */
  readonly isStop: boolean;
  readonly logProbs: TokenLogProbs | undefined;
  /** Of the previous token, because that led to this one. The last token of a text is never read. */
  readonly trace: Trace | undefined;
  readonly time: number;
}

export type GenerationStep = PromptStep | TokenStep;
export type FinishReason = "stop" | "length";
export type Generation = AsyncGenerator<GenerationStep, FinishReason>;

type Ending = { readonly reason: FinishReason } | { readonly error: unknown };

/** One generation: what it still needs, and its steps until the caller takes them. */
export class GenerationJob {
  readonly request: GenerationRequest;
  readonly #besideEngine: BesideEngine;
  /** The sampled token that was not yet appended; undefined while the prompt is being read. */
  next: number | undefined;
  #session: Session | undefined;
  #slot = -1;
  #cachedTokens = 0;
  #startTime = 0;
  readonly #generated: number[] = [];
  /** What may come next, once that is known. */
  #allowed: Int32Array | undefined;
  #asking: Promise<void> = Promise.resolve();
  /** Logits that wait for it. */
  #held: { readonly logits: Float32Array; readonly trace: Trace | undefined } | undefined;
  #logProbs: (TokenLogProbs | null)[] = [null];
  #promptTrace: Trace | undefined;
  #pooled: Float64Array | undefined;
  readonly #ready: GenerationStep[] = [];
  #ending: Ending | undefined;
  #notify: () => void = () => undefined;

  constructor(request: GenerationRequest, { besideEngine }: { besideEngine: BesideEngine }) {
    this.request = request;
    this.#besideEngine = besideEngine;
  }

  get session(): Session {
    return this.#session!;
  }

  get slot(): number {
    return this.#slot;
  }

  get isOver(): boolean {
    return this.#ending !== undefined;
  }

  /** Its logits are there, and what may come next is not known yet. */
  get isHeld(): boolean {
    return this.#held !== undefined && !this.isOver;
  }

  /** Settles when a held job goes on. */
  get asking(): Promise<void> {
    return this.#asking;
  }

  start(session: Session, { slot, prefix }: { slot: number; prefix: number }): void {
    this.#session = session;
    this.#slot = slot;
    this.#cachedTokens = prefix;
    this.#startTime = performance.now();
    this.#ask();
  }

  /** Takes the logits after each of `ids`, the next ids of the prompt. */
  scorePrompt(ids: readonly number[], logits: Float32Array): void {
    const { promptIds, topLogProbs: top = 0 } = this.request;
    const vocabSize = logits.length / ids.length;
    for (let t = 0; t < ids.length; t++) {
      const id = promptIds[this.#logProbs.length];
      // After the prompt's last token comes the first sampled one, which has log-probabilities of its own.
      if (id === undefined) return;
      const row = logits.subarray(t * vocabSize, (t + 1) * vocabSize);
      this.#logProbs.push(logProbsOf(row, { id, top }));
    }
  }

  /** Takes the hidden states [count, D] of the prompt's next tokens. */
  poolPrompt(hidden: Float32Array, count: number): void {
    const width = hidden.length / count;
    const sum = (this.#pooled ??= new Float64Array(width));
    for (let i = 0; i < hidden.length; i++) sum[i % width] = sum[i % width]! + hidden[i]!;
  }

  tracePrompt(chunk: Trace): void {
    const before = this.#promptTrace;
    this.#promptTrace =
      before === undefined
        ? chunk
        : {
            start: before.start,
            ids: [...before.ids, ...chunk.ids],
            gates: joined(before.gates, chunk.gates),
            rows: joined(before.rows, chunk.rows),
          };
  }

  promptRead(): void {
    this.#push({
      kind: "prompt",
      cachedTokens: this.#cachedTokens,
      logProbs: this.request.promptLogProbs === true ? this.#logProbs : undefined,
      trace: this.#promptTrace,
      pooled: this.#pooled && Float32Array.from(this.#pooled, (sum) => sum / this.session.length),
      startTime: this.#startTime,
      time: performance.now(),
    });
  }

  /** Takes the logits after the last token. The next one is chosen now, or when it is known what may come. */
  offer(logits: Float32Array, trace: Trace | undefined): void {
    if (this.request.constraint === undefined || this.#allowed !== undefined)
      this.#sample(logits, trace);
    // The engine uses the logits' memory again.
    else this.#held = { logits: logits.slice(), trace };
  }

  /** Chooses the next token and decides whether it is the last. If none can be chosen, this job alone fails. */
  #sample(logits: Float32Array, trace: Trace | undefined): void {
    const { stopIds = [], maxTokens, topLogProbs: top } = this.request;
    let id: number;
    try {
      id = this.#choose(logits);
    } catch (error) {
      return this.fail(error);
    }
    const isStop = stopIds.includes(id);
    const logProbs = top === undefined ? undefined : logProbsOf(logits, { id, top });
    this.next = id;
    this.#generated.push(id);
    this.#push({ kind: "token", id, isStop, logProbs, trace, time: performance.now() });
    if (isStop) this.finish("stop");
    else if (this.#generated.length >= maxTokens || this.session.remaining === 0)
      this.finish("length");
    else this.#ask();
  }

  #choose(logits: Float32Array): number {
    const { sampler, stopIds = [], minTokens = 0 } = this.request;
    const allowed = this.#allowed;
    const banned = this.#generated.length < minTokens ? stopIds : [];
    const isFree = allowed === undefined && banned.length === 0;
    return sampler(isFree ? logits : restricted(logits, { allowed, banned }), this.session.ids);
  }

  /** Asks what may come next, so that it is known when the engine has computed. */
  #ask(): void {
    const { constraint, maxTokens } = this.request;
    if (constraint === undefined || maxTokens === 0) return;
    this.#allowed = undefined;
    this.#asking = this.#answered(constraint.allowed(this.#generated));
  }

  async #answered(allowed: Promise<Int32Array>): Promise<void> {
    try {
      this.#allowed = await allowed;
    } catch (error) {
      return this.fail(error);
    }
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined && !this.isOver) this.#sample(held.logits, held.trace);
  }

  finish(reason: FinishReason): void {
    this.#end({ reason });
  }

  fail(error: unknown): void {
    this.#end({ error });
  }

  /** May be iterated once. To break out of the loop ends the job. */
  async *steps(): Generation {
    try {
      for (;;) {
        const step = this.#ready.shift();
        if (step !== undefined) yield step;
        else if (this.#ending !== undefined) {
          if ("reason" in this.#ending) return this.#ending.reason;
          throw this.#ending.error;
        } else await new Promise<void>((resolve) => (this.#notify = resolve));
      }
    } finally {
      // Removes a running job from its slot; a job that has ended ignores it.
      if (!this.isOver) this.fail(new RequestError("this generation was broken off"));
    }
  }

  /**
   * The consumer gets the step while the engine computes the next token. So its work, down to the socket, does not
   * delay the next step.
   */
  #push(step: GenerationStep): void {
    this.#ready.push(step);
    this.#besideEngine.add(() => this.#notify());
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#notify();
  }
}

function joined<Item>(
  before: ReadonlyMap<number, readonly Item[]>,
  after: ReadonlyMap<number, readonly Item[]>,
): Map<number, readonly Item[]> {
  return new Map([...before].map(([layer, items]) => [layer, [...items, ...after.get(layer)!]]));
}
