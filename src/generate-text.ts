/**
 * Text -> text: a tokenizer around the generation loop, stop strings, and pieces of text as soon as
 * they are certain. Knows nothing of tensors or tables.
 */
import {
  createSampler,
  generate,
  type Sampler,
  type SamplingOptions,
  type Session,
} from "./inference/index.ts";
import { promptIdsOf } from "./prompt-ids.ts";
import { StopStrings } from "./stop-strings.ts";
import type { Tokenizer } from "./tokenizer/index.ts";

/** How to continue a text. */
export interface GenerateTextOptions extends SamplingOptions {
  /** Default 128, or the rest of the model's context, if that is less. */
  readonly maxTokens?: number;
  /** Text that ends the generation; it is not part of the result. */
  readonly stop?: readonly string[];
  /** false leaves the memory out. Default: as the model was opened. */
  readonly memory?: boolean;
  /** How much of what the memory adds is added: 1 as trained, 0 as without. Default 1. */
  readonly scale?: number;
  /** Whose facts it sees. Default: those of "default". */
  readonly scopes?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What generating needs of a model. */
export interface TextModel {
  readonly tokenizer: Tokenizer;
  createSession(options?: {
    memory?: boolean;
    scopes?: readonly string[];
    view?: { scale: number };
  }): Session;
}

/** How a continuation ended: at its own end or a stop string, or at the limit of tokens or context. */
export interface GeneratedText {
  readonly finishReason: "stop" | "length";
  readonly numTokens: number;
}

/** Yields the continuation of `prompt` piece by piece. Stops on `break`, or when `signal` aborts. */
export async function* generateText(
  model: TextModel,
  prompt: string,
  options: GenerateTextOptions = {},
): AsyncGenerator<string, GeneratedText> {
  const { maxTokens = 128, stop, memory, scale, scopes, signal, ...sampling } = options;
  const { tokenizer } = model;
  const promptIds = await promptIdsOf(tokenizer, prompt, { signal });
  await using session = model.createSession({
    ...(memory !== undefined && { memory }),
    ...(scale !== undefined && { view: { scale } }),
    ...(scopes !== undefined && { scopes }),
  });
  const sampler = createSampler(sampling);
  return yield* continueText(session, promptIds, { tokenizer, sampler, maxTokens, stop, signal });
}

/** How to continue what a session reads. */
export interface ContinueTextOptions {
  readonly tokenizer: Tokenizer;
  readonly sampler: Sampler;
  readonly maxTokens: number;
  readonly stop?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Appends `promptIds` to the session, then yields what follows, as `generateText` does. */
export async function* continueText(
  session: Session,
  promptIds: ArrayLike<number>,
  { tokenizer, sampler, maxTokens, stop = [], signal }: ContinueTextOptions,
): AsyncGenerator<string, GeneratedText> {
  const tokens = generate(session, promptIds, {
    sampler,
    maxTokens,
    stopIds: tokenizer.bounds.stopIds,
    ...(signal && { signal }),
  });
  const decoder = tokenizer.stream({ skipSpecial: true, after: promptIds });
  const stopper = new StopStrings(stop);
  let numTokens = 0;
  let step = await tokens.next();
  for (; !step.done; step = await tokens.next()) {
    numTokens++;
    const piece = stopper.push(decoder.push(step.value));
    if (piece !== "") yield piece;
    if (stopper.found) return { finishReason: "stop", numTokens };
  }
  const rest = stopper.push(decoder.end()) + stopper.end();
  if (rest !== "") yield rest;
  return { finishReason: step.value, numTokens };
}
