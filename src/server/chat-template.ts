/** Messages -> the prompt a model was trained on, by the model's own template, in a worker. Knows no request. */
import { RequestError } from "../errors.ts";
import type { Model } from "../open-model.ts";
import { type StartWorker, StoppableWorker } from "../worker/index.ts";
import { ApiError } from "./api-error.ts";
import type { ChatTask, ChatTemplate, ChatText } from "./chat-task.ts";
import { checkLength, checkPrompt } from "./prompts.ts";
import type { ChatRequest } from "./protocol.ts";
import type { Serving } from "./serving.ts";

/** Milliseconds. A template of ten kilobytes and a thousand messages take 100. */
const limit = 5000;

/** Renders by the model's template; undefined for a base model, which has none. */
export function chatWorker(model: Model, startWorker: StartWorker): StoppableWorker | undefined {
  const { chatTemplate, tokenizer } = model;
  if (chatTemplate === undefined) return undefined;
  const { eosTokenId, specialTokens } = tokenizer;
  const input: ChatTemplate = {
    source: chatTemplate,
    marks: [...specialTokens.keys()],
    eos: eosTokenId === undefined ? "" : tokenizer.decode([eosTokenId]),
  };
  return new StoppableWorker(startWorker, { first: { task: "setTemplate", input } });
}

/**
 * The ids of a conversation. Special tokens come from the template alone: what a message spells is plain text. Throws
 * `ApiError` for a base model, where the template refuses the messages, and for more tokens than `most`.
 */
export async function chatIds(
  { name, model: { tokenizer }, chat }: Serving,
  {
    messages,
    most,
    addGenerationPrompt = true,
    signal,
  }: {
    messages: ChatRequest["messages"];
    most: number;
    addGenerationPrompt?: boolean;
    signal: AbortSignal;
  },
): Promise<number[]> {
  if (chat === undefined)
    throw new ApiError(
      `"${name}" is a base model without a chat template: it continues texts and knows no messages; ` +
        "use /v1/completions",
      { param: "messages", code: "no_chat_template" },
    );
  const limits = { tokenizer, most, param: "messages" };
  const input: ChatTask = {
    messages: messages.map(({ role, content }) => ({ role, content })),
    addGenerationPrompt,
  };
  let made: ChatText;
  try {
    made = (await chat.run("render", input, {
      limit,
      tooSlow: "the model's chat template did not render these messages",
      signal,
    })) as ChatText;
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new ApiError(error.message, { param: "messages", code: "chat_template_failed" });
  }
  const { text, literals } = made;
  checkLength(text, limits);
  const ids = await tokenizer.encode(text, { allowSpecial: true, literals, signal });
  checkPrompt(ids, limits);
  return [...ids];
}
