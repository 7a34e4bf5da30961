/** The prompt of a request's messages, with its faults as answers. Knows the model's template as a renderer of messages. */
import { encodeChat } from "../chat/index.ts";
import { RequestError } from "../errors.ts";
import { ApiError } from "./api-error.ts";
import { checkLength, checkPrompt } from "./prompts.ts";
import type { ChatRequest } from "./chat-request.ts";
import type { Serving } from "./serving.ts";

/**
 * Throws `ApiError` for a base model, where the template refuses the messages, and for more tokens than `most`.
 */
export async function chatIds(
  { name, model: { tokenizer }, chat }: Serving,
  {
    messages,
    most,
    tools,
    addGenerationPrompt = true,
    signal,
  }: {
    messages: ChatRequest["messages"];
    tools?: ChatRequest["tools"];
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
  const rendered = await chat
    .render(messages, { addGenerationPrompt, tools: tools ?? [], signal })
    .catch((error: unknown) => {
      if (!(error instanceof RequestError)) throw error;
      throw new ApiError(error.message, { param: "messages", code: "chat_template_failed" });
    });
  checkLength(rendered.text, limits);
  const ids = await encodeChat(tokenizer, rendered, { signal });
  checkPrompt(ids, limits);
  return ids;
}
