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

/** The ids before a text that is read from its beginning. */
export function startOf(
  { bounds: { startIds, bosTokenId } }: Pick<Tokenizer, "bounds">,
  text: string,
): readonly number[] {
  const isEmpty = startIds.length === 0 && text === "";
  return isEmpty && bosTokenId !== undefined ? [bosTokenId] : startIds;
}

/** The ids of a text that is read from its beginning. */
export async function promptIdsOf(
  tokenizer: Tokenizer,
  text: string,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<number[]> {
  const ids = [...startOf(tokenizer, text)];
  for (const id of await tokenizer.encode(text, { signal })) ids.push(id);
  return ids;
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

/** Passes text through up to the first stop string, holding back what might become one. */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = "";
  found = false;

  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  push(text: string): string {
    if (this.found) return "";
    this.#held += text;
    const at = Math.min(
      ...this.#stops.map((stop) => this.#held.indexOf(stop)).filter((i) => i >= 0),
      Infinity,
    );
    if (at !== Infinity) {
      this.found = true;
      return this.#held.slice(0, at);
    }
    const keep = Math.max(0, ...this.#stops.map((stop) => overlap(this.#held, stop)));
    const certain = this.#held.slice(0, this.#held.length - keep);
    this.#held = this.#held.slice(certain.length);
    return certain;
  }

  /** Text that was held back and is not a stop string. */
  end(): string {
    const rest = this.found ? "" : this.#held;
    this.#held = "";
    return rest;
  }
}

/** Length of the longest suffix of `text` that is a prefix of `stop`. */
function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--)
    if (stop.startsWith(text.slice(text.length - n))) return n;
  return 0;
}
