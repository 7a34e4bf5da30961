/**
 * Converts the prompts of a request (texts or token ids) to token ids. All prompts are checked before one is queued.
 */
import { promptIdsOf, startOf } from "../prompt-ids.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { ApiError } from "./api-error.ts";
import type { CompletionRequest } from "./protocol.ts";
import type { Serving } from "./serving.ts";

type Input = CompletionRequest["prompt"];

export interface Prompt {
  readonly ids: readonly number[];
  /** Number of leading ids that the client did not send: the end-of-text token before a text. */
  readonly numHidden: number;
}

/**
 * `param` is the field of the request with the prompts. The texts of special tokens are read as plain text; to send
 * special tokens, a client sends ids.
 */
export async function promptsOf(
  input: Input,
  { serving, param, signal }: { serving: Serving; param: string; signal: AbortSignal },
): Promise<Prompt[]> {
  const { tokenizer } = serving.model;
  const most = serving.scheduler.contextSize;
  const all = typeof input === "string" ? [input] : isNumbers(input) ? [input] : [...input];
  // All lengths are checked before the work on the first prompt.
  for (const one of all) if (typeof one === "string") checkLength(one, { tokenizer, most, param });
  const prompts: Prompt[] = [];
  for (const one of all) {
    const isText = typeof one === "string";
    const ids = isText ? await promptIdsOf(tokenizer, one, { signal }) : one;
    checkPrompt(ids, { tokenizer, most, param });
    prompts.push({ ids, numHidden: isText ? startOf(tokenizer, one).length : 0 });
  }
  return prompts;
}

/** Refuses, without tokenizing it, a text that certainly has too many tokens. */
export function checkLength(
  text: string,
  { tokenizer, most, param }: { tokenizer: Tokenizer; most: number; param: string },
): void {
  const fewest = Math.ceil(text.length / (tokenizer.maxUnitsPerToken ?? Infinity));
  if (fewest > most)
    throw new ApiError(
      `${param}: a text of ${text.length} characters has at least ${fewest} tokens, and at most ${most} ` +
        "can be read; shorten it",
      { param, code: "context_length_exceeded" },
    );
}

function isNumbers(list: Input): list is readonly number[] {
  return typeof list[0] === "number";
}

export function checkPrompt(
  ids: readonly number[] | Int32Array,
  { tokenizer, most, param }: { tokenizer: Tokenizer; most: number; param: string },
): void {
  if (ids.length === 0) throw new ApiError(`${param}: expected at least one token`, { param });
  if (ids.length > most)
    throw new ApiError(
      `${param}: ${ids.length} tokens do not fit into the context of ${most}; shorten it`,
      { param, code: "context_length_exceeded" },
    );
  const wrong = ids.find((id) => id >= tokenizer.vocabSize);
  if (wrong !== undefined)
    throw new ApiError(
      `${param}: token ${wrong} is outside the vocabulary 0..${tokenizer.vocabSize - 1}`,
      { param },
    );
}
