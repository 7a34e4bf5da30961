/**
 * A text being written, watched: tokens come from the server as fast as it makes them, wait, and are
 * shown at the reader's pace, one frame's worth at a time. Pausing holds the show, not the server. A token
 * is shown when the model has read it, since only then its gate is known. Knows no view.
 */
import { type Ablation, isEmptyAblation } from "./ablation.ts";
import { tokensIn } from "./pace.ts";
import { isAbort, streamJson } from "./api.ts";
import type { Input } from "./inspection.svelte.ts";

export interface LiveToken {
  readonly id: number;
  readonly text: string;
  /** By layer. */
  readonly gates: ReadonlyMap<number, number>;
}

export interface GenerationOptions {
  /** What is continued, and nothing else: what is written belongs behind it only. */
  readonly basis: Input;
  /** The basis as the model reads it. */
  readonly ids: readonly number[];
  readonly numTokens: number;
  readonly temperature: number;
  readonly scale: number;
  readonly ablate: Ablation;
}

interface Chunk {
  readonly choices: readonly {
    readonly logprobs?: { readonly tokens: readonly string[] } | null;
    readonly finish_reason: string | null;
    readonly engram?: {
      readonly start: number;
      readonly tokens: readonly number[];
      readonly gates: Readonly<Record<string, readonly number[]>>;
    };
  }[];
}

class Generation {
  status: "idle" | "running" | "paused" = $state("idle");
  /** Those that are shown. */
  tokens: readonly LiveToken[] = $state.raw([]);
  failure: Error | undefined = $state.raw();
  /** What `tokens` and `failure` belong to. */
  basis: Input | undefined = $state.raw();
  /** Tokens shown a second; Infinity as they come. */
  pace: number = $state(12);
  /** Tokens that wait to be shown. */
  waiting: number = $state(0);

  #come: LiveToken[] = [];
  #isComplete = false;
  #controller: AbortController | undefined;
  #shownAt = 0;
  #credit = 0;
  #done: (() => void) | undefined;

  /** Resolves when all tokens are shown, or when it is stopped. */
  async start(options: GenerationOptions): Promise<void> {
    this.stop();
    this.tokens = [];
    this.basis = options.basis;
    this.#come = [];
    this.#isComplete = false;
    this.failure = undefined;
    this.status = "running";
    const controller = new AbortController();
    this.#controller = controller;
    const shown = new Promise<void>((resolve) => (this.#done = resolve));
    this.#shownAt = performance.now();
    this.#credit = 1;
    requestAnimationFrame(this.#frame);
    try {
      await this.#receive(options, controller.signal);
    } catch (error) {
      if (!isAbort(error)) this.failure = error as Error;
    }
    if (this.#controller === controller) this.#isComplete = true;
    await shown;
  }

  pause(): void {
    if (this.status === "running") this.status = "paused";
  }

  resume(): void {
    if (this.status !== "paused") return;
    this.status = "running";
    this.#shownAt = performance.now();
    requestAnimationFrame(this.#frame);
  }

  /** While paused: one token more. */
  step(): void {
    this.#show(1);
    this.#endIfShown();
  }

  /** Keeps what is shown. */
  stop(): void {
    this.#controller?.abort();
    this.#controller = undefined;
    this.status = "idle";
    this.waiting = 0;
    this.#done?.();
  }

  async #receive(options: GenerationOptions, signal: AbortSignal): Promise<void> {
    const { ids, numTokens, temperature, scale, ablate } = options;
    const texts: string[] = [];
    const body = {
      prompt: ids,
      // The last token of an answer is never read, so it has no gate: one more than are shown.
      max_tokens: numTokens + 1,
      temperature,
      logprobs: 0,
      stream: true,
      engram: {
        scale,
        return: ["gates"],
        ...(!isEmptyAblation(ablate) && { ablate }),
      },
    };
    for await (const { choices } of streamJson<Chunk>("v1/completions", { body, signal }))
      for (const { logprobs, engram } of choices) {
        texts.push(...(logprobs?.tokens ?? []));
        for (const [i, id] of engram?.tokens.entries() ?? []) {
          const place = engram!.start + i - ids.length;
          if (place < 0) continue;
          const gates = Object.entries(engram!.gates);
          this.#come.push({
            id,
            text: texts[place] ?? "",
            gates: new Map(gates.map(([layer, values]) => [Number(layer), values[i]!])),
          });
        }
        this.waiting = this.#come.length - this.tokens.length;
      }
  }

  /** Shows what the pace allows since the last frame: one change of the page a frame, however many. */
  readonly #frame = (now: number): void => {
    if (this.status !== "running") return;
    this.#credit += tokensIn(now - this.#shownAt, this.pace);
    this.#shownAt = now;
    const ready = this.#come.length - this.tokens.length;
    const count = Math.min(ready, Math.floor(this.#credit));
    this.#credit = Math.min(this.#credit - count, 1);
    this.#show(count);
    if (!this.#endIfShown()) requestAnimationFrame(this.#frame);
  };

  #show(count: number): void {
    if (count <= 0) return;
    this.tokens = this.#come.slice(0, this.tokens.length + count);
    this.waiting = this.#come.length - this.tokens.length;
  }

  #endIfShown(): boolean {
    if (!this.#isComplete || this.tokens.length < this.#come.length) return false;
    this.stop();
    return true;
  }
}

export const generation: Generation = new Generation();
