/**
 * The texts of one request - every prompt times `n` - generated together, and the two ways to answer: all at once, or
 * as events. The route decides the shape of the answer.
 */
import { apiErrorOf, errorBody } from "./api-error.ts";
import { interleave, type Tagged } from "./interleave.ts";
import type { SamplingFields } from "./protocol.ts";
import type { Reads } from "./scopes.ts";
import type { RouteContext, Serving } from "./serving.ts";
import { sseResponse } from "./sse.ts";
import { startText, type TextEnd, type TextRequest, type TextStep } from "./text-generation.ts";

export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
  readonly prompt_tokens_details: { readonly cached_tokens: number };
}

/** A request's texts, in the order of their indices. */
export interface ChoicesRequest {
  readonly serving: Serving;
  readonly fields: SamplingFields;
  /** As it is when the request begins. */
  readonly reads: Reads;
  /** One for each prompt; each is run `n` times. */
  readonly prompts: readonly Pick<
    TextRequest,
    "promptIds" | "maxTokens" | "topLogProbs" | "promptLogProbs" | "grammar"
  >[];
  /** The client's signal: aborts when it disconnects. */
  readonly signal: AbortSignal;
}

interface Running {
  readonly steps: AsyncGenerator<Tagged<TextStep, TextEnd>, void>;
  abort(): void;
}

/** Queues the first texts immediately, so that a refusal can still become an HTTP status. */
function run({ serving, fields, reads, prompts, signal }: ChoicesRequest): Running {
  const n = fields.n ?? 1;
  const places = serving.scheduler.reserve(prompts.length * n);
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
    // A stream without a reader never reaches its end, where this would otherwise be done.
    places[Symbol.dispose]();
  };
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const begin = prompts.flatMap((prompt) =>
    Array.from(
      { length: n },
      (_, choice) => () =>
        startText(serving, {
          ...prompt,
          fields,
          reads,
          choice,
          signal: controller.signal,
          places,
        }),
    ),
  );
  try {
    const onEnd = (): void => {
      signal.removeEventListener("abort", abort);
      // Stops the texts that still run when one has failed or the client has disconnected.
      abort();
    };
    return { steps: interleave(begin, { window: serving.scheduler.parallel, onEnd }), abort };
  } catch (error) {
    abort();
    throw error;
  }
}

/** The steps and the end of every text, when all are complete. */
export async function collectChoices(
  request: ChoicesRequest,
): Promise<{ steps: TextStep[]; end: TextEnd }[]> {
  const count = request.prompts.length * (request.fields.n ?? 1);
  const steps: TextStep[][] = Array.from({ length: count }, () => []);
  const ends: TextEnd[] = [];
  for await (const { index, result } of run(request).steps)
    if (result.done === true) ends[index] = result.value;
    else steps[index]!.push(result.value);
  return ends.map((end, i) => ({ steps: steps[i]!, end }));
}

/** A prompt is counted once, however many texts continue it. */
export function usageOf(ends: readonly TextEnd[], n: number): Usage {
  const sum = (of: (end: TextEnd) => number, list: readonly TextEnd[]): number =>
    list.reduce((total, end) => total + of(end), 0);
  const firsts = ends.filter((_, i) => i % n === 0);
  const prompt = sum((end) => end.promptTokens, firsts);
  const completion = sum((end) => end.completionTokens, ends);
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: { cached_tokens: sum((end) => end.cachedTokens, firsts) },
  };
}

/**
 * How long it took, under llama-server's names: milliseconds, and tokens a second. Texts of one request are added; of the
 * `n` texts that continue a prompt the first one's reading is told, as in `usageOf`.
 */
export function timingsOf(ends: readonly TextEnd[], n = 1): Readonly<Record<string, number>> {
  const sum = (of: (end: TextEnd) => number, list = ends): number =>
    list.reduce((total, end) => total + of(end), 0);
  const firsts = ends.filter((_, i) => i % n === 0);
  const cached = sum((end) => end.cachedTokens, firsts);
  const prompt = sum((end) => end.promptTokens, firsts) - cached;
  const predicted = sum((end) => end.completionTokens);
  const part = (name: string, count: number, ms: number): Record<string, number> => ({
    [`${name}_n`]: count,
    [`${name}_ms`]: ms,
    [`${name}_per_token_ms`]: count > 0 ? ms / count : 0,
    [`${name}_per_second`]: ms > 0 ? (1000 * count) / ms : 0,
  });
  return {
    cache_n: cached,
    ...part(
      "prompt",
      prompt,
      sum((end) => end.promptTime, firsts),
    ),
    ...part(
      "predicted",
      predicted,
      sum((end) => end.writeTime),
    ),
  };
}

export interface StreamShape {
  /** Chunks before the first token. */
  readonly opening?: readonly object[];
  /** Converts a step to chunks. */
  step(index: number, step: TextStep): object[];
  end(index: number, end: TextEnd): object[];
  /** The chunk that carries the usage of the whole request. */
  usage(usage: Usage): object;
}

export function streamChoices(
  request: ChoicesRequest,
  { shape, context }: { shape: StreamShape; context: RouteContext },
): Response {
  const { steps, abort } = run(request);
  const { fields } = request;
  const wantsUsage = fields.stream_options?.include_usage === true;
  return sseResponse(chunks(), {
    onCancel: abort,
    onError: (error) => {
      context.report(error);
      return errorBody(apiErrorOf(error));
    },
    pingInterval: context.options.pingInterval,
  });

  async function* chunks(): AsyncGenerator<object, void> {
    // Clients that asked for usage find the key in every chunk.
    const withUsage = (chunk: object): object => (wantsUsage ? { ...chunk, usage: null } : chunk);
    for (const chunk of shape.opening ?? []) yield withUsage(chunk);
    const ends: TextEnd[] = [];
    for await (const { index, result } of steps) {
      if (result.done === true) ends[index] = result.value;
      const made =
        result.done === true ? shape.end(index, result.value) : shape.step(index, result.value);
      for (const chunk of made) yield withUsage(chunk);
    }
    if (wantsUsage) yield shape.usage(usageOf(ends, fields.n ?? 1));
  }
}
