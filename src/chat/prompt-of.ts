/** Messages -> the prompt as ids: by a chat template, or as plain text for base models. */
import { promptIdsOf } from "../prompt-ids.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { type ChatTemplate, encodeChat } from "./chat-template.ts";
import type { PromptOf } from "./conversation.ts";

/** By the model's chat template. */
export function templated(template: ChatTemplate, tokenizer: Tokenizer): PromptOf {
  return async (messages, { signal }) =>
    encodeChat(tokenizer, await template.render(messages, { signal }), { signal });
}

/**
 * As one text, for models that were not trained on messages. Each message of the user begins a line, and the model
 * continues directly after it. Names of speakers are left out: such a model was not trained on that markup either.
 */
export function runningText(tokenizer: Tokenizer): PromptOf {
  return (messages, { signal }) => {
    let text = "";
    for (const { role, content } of messages)
      text += role === "user" && text !== "" && !text.endsWith("\n") ? `\n${content}` : content;
    return promptIdsOf(tokenizer, text, { signal });
  };
}
