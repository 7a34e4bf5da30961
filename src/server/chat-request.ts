/** The schema of a request for the next message of a conversation. Unknown parameters are refused as in `protocol.ts`. */
import * as z from "zod/mini";
import type { ChatMessage } from "../chat/index.ts";
import { answerFields, type AnswerFields, messagesSchema } from "./chat-protocol.ts";
import { neutralChatFields } from "./neutral-chat-fields.ts";
import { type Maybe, optional, withNulls } from "./neutral-fields.ts";
import {
  atLeast,
  flag,
  maxTop,
  needsStream,
  ofLogProbs,
  sampling,
  type SamplingFields,
} from "./protocol.ts";

export interface ChatRequest extends SamplingFields, AnswerFields {
  readonly messages: readonly ChatMessage[];
  readonly max_tokens?: Maybe<number>;
  readonly max_completion_tokens?: Maybe<number>;
  readonly logprobs?: Maybe<boolean>;
  readonly top_logprobs?: Maybe<number>;
}

export const chatSchema: z.ZodMiniType<ChatRequest> = withNulls({
  ...sampling,
  messages: messagesSchema,
  max_tokens: atLeast(0),
  max_completion_tokens: atLeast(0),
  logprobs: flag.check(z.describe(`return log-probabilities; ${ofLogProbs}`)),
  top_logprobs: atLeast(0, z.maximum(maxTop)).check(
    z.describe("number of most likely tokens to list at each position"),
  ),
  ...answerFields,
  ...optional(neutralChatFields),
}).check(needsStream, z.describe("A conversation to continue, for models with a chat template."));
