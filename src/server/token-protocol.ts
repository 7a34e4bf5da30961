/** Schemas of requests that read texts and write none: vectors and token ids. Unknown parameters are refused unless they are null. */
import * as z from "zod/mini";
import type { ChatMessage } from "../chat/index.ts";
import { messagesSchema } from "./chat-protocol.ts";
import { type Maybe, withNulls } from "./neutral-fields.ts";
import {
  type CompletionRequest,
  flag,
  modelName,
  promptSchema,
  readingSchema,
  sampling,
  tokenId,
} from "./protocol.ts";

const maxDetokenized = 2 ** 16;

export interface EmbeddingRequest {
  readonly model?: Maybe<string>;
  readonly input: CompletionRequest["prompt"];
  readonly encoding_format?: Maybe<"float" | "base64">;
  readonly engram?: Maybe<{ readonly enabled: boolean; readonly scale: number }>;
}

export const embeddingSchema: z.ZodMiniType<EmbeddingRequest> = withNulls({
  model: sampling.model,
  input: promptSchema,
  encoding_format: z.nullish(z.enum(["float", "base64"])),
  user: z.nullish(z.string()),
  engram: z.nullish(readingSchema),
}).check(
  z.describe(
    "Texts to compute vectors for. A vector is the mean of the final hidden states, scaled to length 1.",
  ),
);

/** Has exactly one of `prompt`, `content` and `messages`: the schema checks it. */
export interface TokenizeRequest {
  readonly model?: Maybe<string>;
  readonly prompt?: Maybe<string>;
  readonly content?: Maybe<string>;
  readonly messages?: Maybe<readonly ChatMessage[]>;
  readonly add_special_tokens?: Maybe<boolean>;
  readonly add_special?: Maybe<boolean>;
  readonly parse_special?: Maybe<boolean>;
  readonly add_generation_prompt?: Maybe<boolean>;
  readonly return_token_strs?: Maybe<boolean>;
  readonly with_pieces?: Maybe<boolean>;
}

/** The fields that each form allows. Others would be ignored, so they are refused. */
const tokenizeForms = {
  prompt: ["add_special_tokens", "return_token_strs"],
  content: ["add_special", "parse_special", "with_pieces"],
  messages: ["add_special_tokens", "add_generation_prompt", "return_token_strs"],
} as const;

export const tokenizeSchema: z.ZodMiniType<TokenizeRequest> = withNulls({
  model: modelName,
  prompt: z.nullish(z.string()).check(z.describe("a text, as clients of vLLM send it")),
  content: z.nullish(z.string()).check(z.describe("a text, as clients of llama-server send it")),
  messages: z
    .nullish(messagesSchema)
    .check(z.describe("a conversation, as clients of vLLM send it")),
  add_special_tokens: flag.check(
    z.describe("begin with the end-of-text token, as prompts do; default false"),
  ),
  add_special: flag.check(z.describe("the same as add_special_tokens, for content")),
  parse_special: flag.check(
    z.describe("read the texts of special tokens in content as these tokens; default false"),
  ),
  add_generation_prompt: flag.check(
    z.describe("for messages: end with the beginning of an answer; default true"),
  ),
  return_token_strs: flag,
  with_pieces: flag.check(z.describe("for content: return tokens with their texts")),
}).check(
  z.superRefine((body, check) => {
    const forms = (["prompt", "content", "messages"] as const).filter((form) => body[form] != null);
    const [form] = forms;
    if (form === undefined || forms.length > 1)
      return check.addIssue({
        code: "custom",
        path: [forms[1] ?? "prompt"],
        message: "expected exactly one of prompt, content and messages",
      });
    const allowed: readonly string[] = ["model", form, ...tokenizeForms[form]];
    for (const [field, value] of Object.entries(body))
      if (value != null && !allowed.includes(field))
        check.addIssue({
          code: "custom",
          path: [field],
          message: `cannot be combined with ${form}; leave it out`,
        });
  }),
  z.describe("A text or a conversation to convert to token ids."),
);

export interface DetokenizeRequest {
  readonly model?: Maybe<string>;
  readonly tokens: readonly number[];
}

export const detokenizeSchema: z.ZodMiniType<DetokenizeRequest> = withNulls({
  model: modelName,
  tokens: z.array(tokenId).check(z.maxLength(maxDetokenized)),
}).check(z.describe("Token ids to convert to a text."));
