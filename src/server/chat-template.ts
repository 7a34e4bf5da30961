/**
 * Messages -> the prompt a model was trained on, by the model's own Jinja template. Knows no model and
 * no request.
 */
import { Template } from "@huggingface/jinja";
import type { Tokenizer } from "../tokenizer/index.ts";
import { ApiError } from "./api-error.ts";
import type { ChatRequest } from "./protocol.ts";

/** Throws `ApiError` where the template refuses the messages. */
export function renderChat(
  source: string,
  { messages, tokenizer }: { messages: ChatRequest["messages"]; tokenizer: Tokenizer },
): string {
  const eos = tokenizer.eosTokenId === undefined ? "" : tokenizer.decode([tokenizer.eosTokenId]);
  try {
    return new Template(source).render({
      messages: messages.map(({ role, content }) => ({
        // Templates know the older name of the role.
        role: role === "developer" ? "system" : role,
        content,
      })),
      add_generation_prompt: true,
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
