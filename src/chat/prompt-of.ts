/** Messages -> the ids that an answer continues: by a chat template, or for base models as one running text. */
import { promptIdsOf } from "../generate-text.ts";
import type { Tokenizer } from "../tokenizer/index.ts";
import { type ChatTemplate, encodeChat } from "./chat-template.ts";
import type { PromptOf } from "./conversation.ts";

/** As the model's template has them. */
export function templated(template: ChatTemplate, tokenizer: Tokenizer): PromptOf {
  return async (messages, { signal }) =>
    encodeChat(tokenizer, await template.render(messages, { signal }), { signal });
}

/**
 * As one text, for models that know no messages: what the user writes begins a line, and the model goes on right behind
 * it. Names of speakers would be markup that such a model has never read.
 */
export function runningText(tokenizer: Tokenizer): PromptOf {
  return (messages, { signal }) => {
    let text = "";
    for (const { role, content } of messages)
      text += role === "user" && text !== "" && !text.endsWith("\n") ? `\n${content}` : content;
    return promptIdsOf(tokenizer, text, { signal });
  };
}
