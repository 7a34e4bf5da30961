/**
 * What clients give as prompts - a text, texts, ids, lists of ids - as token ids, checked before anything
 * is queued, so that no part of a request runs in vain.
 */
import { promptIdsOf } from "../generate-text.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { ApiError } from "./api-error.ts";
import type { CompletionRequest } from "./protocol.ts";
import type { Serving } from "./serving.ts";

type Input = CompletionRequest["prompt"];

export interface Prompt {
  readonly ids: readonly number[];
  /** Ids at the beginning that the client did not write. */
  readonly numHidden: number;
}

/** `param` is the field of the request that held them. */
export function promptsOf(
  input: Input,
  { serving: { model, scheduler }, param }: { serving: Serving; param: string },
): Prompt[] {
  const { tokenizer } = model;
  const fromText = (text: string): Prompt => {
    const ids = promptIdsOf(tokenizer, text);
    return { ids, numHidden: tokenizer.eosTokenId === undefined ? 0 : 1 };
  };
  const fromIds = (ids: readonly number[]): Prompt => ({ ids, numHidden: 0 });
  const prompts =
    typeof input === "string"
      ? [fromText(input)]
      : isNumbers(input)
        ? [fromIds(input)]
        : input.map((one) => (typeof one === "string" ? fromText(one) : fromIds(one)));
  for (const { ids } of prompts)
    checkPrompt(ids, { tokenizer, most: scheduler.contextSize, param });
  return prompts;
}

function isNumbers(list: Input): list is readonly number[] {
  return typeof list[0] === "number";
}

export function checkPrompt(
  ids: readonly number[],
  { tokenizer, most, param }: { tokenizer: Tokenizer; most: number; param: string },
): void {
  if (ids.length === 0) throw new ApiError(`${param}: expected at least one token`, { param });
  if (ids.length > most)
    throw new ApiError(
      `${param}: ${ids.length} tokens are more than the context of ${most} holds; shorten it`,
      { param, code: "context_length_exceeded" },
    );
  const wrong = ids.find((id) => id >= tokenizer.vocabSize);
  if (wrong !== undefined)
    throw new ApiError(
      `${param}: token ${wrong} is outside the vocabulary 0..${tokenizer.vocabSize - 1}`,
      { param },
    );
}
