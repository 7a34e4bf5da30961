/**
 * One generation on its way through the scheduler: what was asked, how far it is, and its steps until
 * somebody takes them. Decides which token comes next and which is the last; reads nothing itself and
 * knows no engine.
 */
import { RequestError } from "../errors.ts";
import type { BesideEngine } from "./beside-engine.ts";
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
  /** Multiplies what the memory adds; 0 is the model without it. Default 1. */
  readonly scale?: number;
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

/** What the memory did at positions that were read, in order. */
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
  /** When it got its slot. */
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
  /** Of the token before this one: what led to this one. The last token of a text is never read. */
  readonly trace: Trace | undefined;
  readonly time: number;
}

export type GenerationStep = PromptStep | TokenStep;
export type FinishReason = "stop" | "length";
export type Generation = AsyncGenerator<GenerationStep, FinishReason>;

type Ending = { readonly reason: FinishReason } | { readonly error: unknown };

/** One generation on its way: what it still needs, and its steps until somebody takes them. */
export class GenerationJob {
  readonly request: GenerationRequest;
  readonly #besideEngine: BesideEngine;
  /** The sampled token that nothing has read yet; undefined while the prompt is being read. */
  next: number | undefined;
  #session: Session | undefined;
  #slot = -1;
  #cachedTokens = 0;
  #startTime = 0;
  #numTokens = 0;
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

  start(session: Session, { slot, prefix }: { slot: number; prefix: number }): void {
    this.#session = session;
    this.#slot = slot;
    this.#cachedTokens = prefix;
    this.#startTime = performance.now();
  }

  /** Takes the logits after each of `ids`, which stand next in the prompt. */
  scorePrompt(ids: readonly number[], logits: Float32Array): void {
    const { promptIds, topLogProbs: top = 0 } = this.request;
    const vocabSize = logits.length / ids.length;
    for (let t = 0; t < ids.length; t++) {
      const id = promptIds[this.#logProbs.length];
      // What follows the prompt's last token is the first sampled one's business.
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

  /** Chooses the next token and decides whether it is the last. */
  sample(logits: Float32Array, trace: Trace | undefined): void {
    const { sampler, stopIds = [], maxTokens, topLogProbs: top } = this.request;
    const id = sampler(logits, this.session.ids);
    const isStop = stopIds.includes(id);
    const logProbs = top === undefined ? undefined : logProbsOf(logits, { id, top });
    this.next = id;
    this.#numTokens++;
    this.#push({ kind: "token", id, isStop, logProbs, trace, time: performance.now() });
    if (isStop) this.finish("stop");
    else if (this.#numTokens >= maxTokens || this.session.remaining === 0) this.finish("length");
  }

  finish(reason: FinishReason): void {
    this.#end({ reason });
  }

  fail(error: unknown): void {
    this.#end({ error });
  }

  /** To be iterated once; whoever breaks it off ends the job. */
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
      // Takes a job that still runs out of its slot; one that has ended ignores it.
      if (!this.isOver) this.fail(new RequestError("this generation was broken off"));
    }
  }

  /**
   * Whoever takes the steps is told when the engine is at work on the token after: what is done with a step, down to
   * the socket, costs the next one no time.
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
