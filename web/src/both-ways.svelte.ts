/**
 * The same beginning continued twice, with the memory as asked for and without it: same seed, so that the texts differ
 * by nothing but the memory. Tokens are shown as they come. Knows no view.
 */
import { type Ablation, isEmptyAblation } from "./ablation.ts";
import { isAbort, streamJson } from "./api.ts";

export interface BothWaysOptions {
  /** What is continued, as the model reads it. */
  readonly ids: readonly number[];
  readonly numTokens: number;
  readonly temperature: number;
  readonly seed: number;
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

export class BothWays {
  texts: Texts = $state.raw({ on: [], off: [] });
  isRunning: boolean = $state(false);
  failure: Error | undefined = $state.raw();
  #controller: AbortController | undefined;

  /** Another start ends the one before. What was shown stays until the first token comes. */
  async start(options: BothWaysOptions): Promise<void> {
    this.stop();
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

  stop(): void {
    this.#controller?.abort();
    this.#controller = undefined;
    this.isRunning = false;
  }

  async *#tokens(
    { ids, numTokens, temperature, seed }: BothWaysOptions,
    { engram, signal }: { engram: object; signal: AbortSignal },
  ): AsyncGenerator<readonly string[]> {
    const body = {
      prompt: ids,
      max_tokens: numTokens,
      temperature,
      seed,
      logprobs: 0,
      stream: true,
      engram,
    };
    for await (const { choices } of streamJson<Chunk>("v1/completions", { body, signal }))
      for (const { logprobs } of choices) if (logprobs) yield logprobs.tokens;
  }
}
