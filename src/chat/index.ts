/** Conversations: messages rendered by a model's template, and turns on one session. */
export { type ChatMessage, ChatTemplate, encodeChat, type RenderOptions } from "./chat-template.ts";
export {
  type Answered,
  Conversation,
  type ConversationOptions,
  type GatedToken,
  type PromptOf,
} from "./conversation.ts";
export { runningText, templated } from "./prompt-of.ts";
export {
  toolCallBegin,
  toolCallEnd,
  toolCallHead,
  type ToolCallPiece,
  ToolCallReader,
} from "./tool-calls.ts";
export { type AnyTemplate, templateTasks, templateWhenNeeded } from "./when-needed.ts";
