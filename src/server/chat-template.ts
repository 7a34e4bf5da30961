/** Messages -> the prompt a model was trained on, by the model's own Jinja template. Knows no request. */
import { Template } from "@huggingface/jinja";
import type { Tokenizer } from "../tokenizer/index.ts";
import { ApiError } from "./api-error.ts";
import type { ChatRequest } from "./protocol.ts";
import type { Serving } from "./serving.ts";

/** The served model's template. Throws `ApiError` if it is a base model, which has none. */
export function chatTemplateOf({ name, model: { chatTemplate } }: Serving): string {
  if (chatTemplate !== undefined) return chatTemplate;
  throw new ApiError(
    `"${name}" is a base model without a chat template: it continues texts and knows no messages; ` +
      "use /v1/completions",
    { param: "messages", code: "no_chat_template" },
  );
}

/** Throws `ApiError` where the template refuses the messages. */
export function renderChat(
  source: string,
  {
    messages,
    tokenizer,
    addGenerationPrompt = true,
  }: {
    messages: ChatRequest["messages"];
    tokenizer: Tokenizer;
    addGenerationPrompt?: boolean;
  },
): string {
  const eos = tokenizer.eosTokenId === undefined ? "" : tokenizer.decode([tokenizer.eosTokenId]);
  try {
    return new Template(source).render({
      messages: messages.map(({ role, content }) => ({
        // Templates know the older name of the role.
        role: role === "developer" ? "system" : role,
        content,
      })),
      add_generation_prompt: addGenerationPrompt,
      bos_token: eos,
      eos_token: eos,
    });
  } catch (error) {
    throw new ApiError(
      `the model's chat template does not take these messages: ${(error as Error).message}`,
      { param: "messages", code: "chat_template_failed" },
    );
  }
}
