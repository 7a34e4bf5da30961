/**
 * The same beginning continued twice, with the memory as asked for and without it: same seed, so that the texts differ
 * by nothing but the memory. Tokens are shown as they come. Knows no view.
 */
import { untrack } from "svelte";
import { type Ablation, isEmptyAblation } from "./ablation.ts";
import { isAbort, streamJson } from "./api.ts";

/** What is continued, and how. */
export interface Beginning {
  /** As the model reads it. Of none, nothing is written. */
  readonly ids: readonly number[];
  readonly scale: number;
  readonly ablate: Ablation;
}

export interface Texts {
  readonly on: readonly string[];
  readonly off: readonly string[];
}

interface Chunk {
  readonly choices: readonly {
    readonly logprobs?: { readonly tokens: readonly string[] } | null;
  }[];
}

const numTokens = 40;

export class BothWays {
  temperature: number = $state(0.8);
  seed: number = $state(1);
  texts: Texts = $state.raw({ on: [], off: [] });
  isRunning: boolean = $state(false);
  failure: Error | undefined = $state.raw();
  #controller: AbortController | undefined;

  /** Live: another beginning, another seed is written anew. Made by a component, which it asks for text before it is drawn. */
  constructor(beginning: () => Beginning) {
    /** Milliseconds of quiet before a change is written; the first text waits for nothing. */
    let patience = 0;
    const key = $derived(JSON.stringify([beginning(), this.temperature, this.seed]));
    $effect.pre(() => {
      void key;
      const options = untrack(beginning);
      if (options.ids.length === 0) return;
      const start = (): void => void this.#start(options);
      if (patience === 0) untrack(start);
      const timer = patience > 0 ? setTimeout(start, patience) : undefined;
      patience = 150;
      return () => {
        clearTimeout(timer);
        this.#stop();
      };
    });
  }

  /** Another start ends the one before. What was shown stays until the first token comes. */
  async #start(options: Beginning): Promise<void> {
    this.#stop();
    const controller = new AbortController();
    this.#controller = controller;
    this.isRunning = true;
    this.failure = undefined;
    const { scale, ablate } = options;
    const on = { scale, ...(!isEmptyAblation(ablate) && { ablate }) };
    const fresh: Record<keyof Texts, string[]> = { on: [], off: [] };
    const write = async (which: keyof Texts, engram: object): Promise<void> => {
      for await (const tokens of this.#tokens(options, { engram, signal: controller.signal })) {
        fresh[which].push(...tokens);
        if (this.#controller === controller) this.texts = { ...fresh };
      }
    };
    try {
      await Promise.all([write("on", on), write("off", { enabled: false })]);
    } catch (error) {
      // One that fails takes the other along.
      controller.abort();
      if (this.#controller === controller && !isAbort(error)) this.failure = error as Error;
    }
    if (this.#controller === controller) this.isRunning = false;
  }

  #stop(): void {
    this.#controller?.abort();
    this.#controller = undefined;
    this.isRunning = false;
  }

  async *#tokens(
    { ids }: Beginning,
    { engram, signal }: { engram: object; signal: AbortSignal },
  ): AsyncGenerator<readonly string[]> {
    const body = {
      prompt: ids,
      max_tokens: numTokens,
      temperature: this.temperature,
      seed: this.seed,
      logprobs: 0,
      stream: true,
      engram,
    };
    for await (const { choices } of streamJson<Chunk>("v1/completions", { body, signal }))
      for (const { logprobs } of choices) if (logprobs) yield logprobs.tokens;
  }
}
