// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/**
 * Schemas of requests: OpenAI's parameters, those that vLLM and llama-server added, and `engram`. Unknown parameters
 * are refused, never ignored. A known parameter that is not supported is accepted with the value that changes nothing,
 * since some clients always send it.
 */
import * as z from "zod/mini";
import { type Ablate, ablateSchema } from "./ablate-field.ts";
import type { ChatMessage } from "../chat/index.ts";
import { scopeName } from "./facts-protocol.ts";
import { answerFields, type AnswerFields, messagesSchema } from "./chat-protocol.ts";
import { type Maybe, neutralChatFields, neutralFields, optional } from "./neutral-fields.ts";

const maxChoices = 64;
const maxPrompts = 1024;
const maxTop = 20;
const maxBiases = 1024;
const maxDetokenized = 2 ** 16;

const tokenId = z.int().check(z.minimum(0), z.maximum(2 ** 31 - 1));
const tokenIds = z.array(tokenId).check(z.minLength(1));
const prompts = [z.minLength(1), z.maxLength(maxPrompts)] as const;

const promptSchema = z.union(
  [
    z.string(),
    z.array(z.string()).check(...prompts),
    tokenIds,
    z.array(tokenIds).check(...prompts),
  ],
  { error: "expected a text, a list of texts, token ids, or a list of lists of token ids" },
);

export interface EngramOptions {
  readonly enabled: boolean;
  readonly scale: number;
  readonly return: readonly ("gates" | "rows" | "facts" | "keys" | "sources")[];
  readonly scopes?: readonly string[] | undefined;
  readonly ablate?: Ablate | undefined;
  readonly packs?: readonly string[] | undefined;
  readonly learn?: string | undefined;
}

const engramFields = {
  enabled: z._default(z.boolean(), true).check(z.describe("false switches the memory off")),
  scale: z
    ._default(z.number().check(z.minimum(-100), z.maximum(100)), 1)
    .check(z.describe("factor for what the memory adds; 0 switches it off")),
  return: z
    ._default(z.array(z.enum(["gates", "rows", "facts", "keys", "sources"])), [])
    .check(
      z.describe(
        "what to return for each token that the model read. Gates and rows are by layer of learned rows; a memory of " +
          "counts alone has none. Facts: those whose words or subject are in the text, what of them " +
          "the answer says, and the chance that the model gave to that (chance; null: it says something else). Keys: where words of facts are in the text, " +
          "prompt included. Sources: documents of packs, and texts that a scope has learned, that have n-grams of the answer, those " +
          "with most of it first",
      ),
    ),
  scopes: z
    .optional(z.array(scopeName).check(z.maxLength(16)))
    .check(
      z.describe(
        "whose facts the text sees, of equal ones the last scope's; default: default, or the key's first",
      ),
    ),
  ablate: z.optional(ablateSchema),
  packs: z
    .optional(z.array(z.string().check(z.minLength(1), z.maxLength(255))).check(z.maxLength(16)))
    .check(
      z.describe("which of the server's packs the text reads, the first one first; default: all"),
    ),
  learn: z
    .optional(scopeName)
    .check(
      z.describe(
        "counts the text, when it ends, into what this scope has learned, which the text reads as well; default: what the " +
          "server was started with (--learn), if the text reads that scope",
      ),
    ),
};

const engramSchema: z.ZodMiniType<EngramOptions> = z
  .strictObject(engramFields)
  .check(
    z.describe(
      "The n-gram memory: whether and how strongly it is used, and what to return about it.",
    ),
  );

/** Parameters of all routes that generate text. */
export interface SamplingFields {
  readonly model?: Maybe<string>;
  readonly temperature?: Maybe<number>;
  readonly top_p?: Maybe<number>;
  readonly top_k?: Maybe<number>;
  readonly min_p?: Maybe<number>;
  readonly repetition_penalty?: Maybe<number>;
  readonly presence_penalty?: Maybe<number>;
  readonly frequency_penalty?: Maybe<number>;
  readonly logit_bias?: Maybe<Readonly<Record<string, number>>>;
  readonly seed?: Maybe<number>;
  readonly stop?: Maybe<string | readonly string[]>;
  readonly n?: Maybe<number>;
  readonly min_tokens?: Maybe<number>;
  readonly stop_token_ids?: Maybe<readonly number[]>;
  readonly ignore_eos?: Maybe<boolean>;
  readonly stream?: Maybe<boolean>;
  readonly stream_options?: Maybe<{ readonly include_usage?: Maybe<boolean> }>;
  readonly engram?: Maybe<EngramOptions>;
}

/** A number between two, or nothing. */
const between = (least: number, most: number) =>
  z.nullish(z.number().check(z.minimum(least), z.maximum(most)));

/** A whole number of at least this, or nothing. */
const atLeast = (least: number, ...checks: z.core.$ZodCheck<number>[]) =>
  z.nullish(z.int().check(z.minimum(least), ...checks));

const modelName = z.nullish(z.string());
const flag = z.nullish(z.boolean());
const stopText = z.string().check(z.maxLength(1000));

const sampling = {
  model: modelName.check(z.describe("the name of the served model; may be left out")),
  temperature: between(0, 100).check(z.describe("0 always takes the most likely token; default 1")),
  top_p: between(0, 1),
  top_k: atLeast(-1).check(z.describe("-1 or 0 means all tokens")),
  min_p: between(0, 1),
  repetition_penalty: between(0.01, 100),
  presence_penalty: between(-2, 2),
  frequency_penalty: between(-2, 2),
  logit_bias: z.nullish(
    z
      .record(
        z.string().check(z.regex(/^\d{1,9}$/, "expected a token id")),
        z.number().check(z.minimum(-100), z.maximum(100)),
      )
      .check(
        z.refine(
          (biases) => Object.keys(biases).length <= maxBiases,
          `expected at most ${maxBiases} token ids`,
        ),
      ),
  ),
  seed: z
    .nullish(z.int())
    .check(z.describe("the same seed gives the same text; default: a random one")),
  stop: z
    .nullish(z.union([stopText, z.array(stopText).check(z.maxLength(16))]))
    .check(z.describe("strings at which the answer ends; they are not part of it")),
  n: atLeast(1, z.maximum(maxChoices)),
  ignore_eos: flag.check(z.describe("continue after the end-of-text token")),
  stream: flag,
  stream_options: z.nullish(
    z.strictObject({
      include_usage: flag,
      include_obfuscation: z.nullish(z.literal(false)),
    }),
  ),
  min_tokens: atLeast(0).check(
    z.describe("fewest tokens of an answer: before that, nothing ends it"),
  ),
  stop_token_ids: z
    .nullish(z.array(tokenId).check(z.maxLength(maxBiases)))
    .check(z.describe("token ids that end the answer, besides the end-of-text token")),
  engram: z.nullish(engramSchema),
  ...optional(neutralFields),
};

/** What `logprobs` mean. vLLM calls this raw_logprobs, its default. */
const ofLogProbs =
  "log-probabilities are natural logarithms over the whole vocabulary. They are the model's own, with the memory as " +
  "engram sets it, before temperature, top_k, top_p, min_p, penalties and logit_bias";

/** Refuses `stream_options` without `stream`: it would be ignored. */
function checkStreamOptions({ stream, stream_options: options }: SamplingFields): boolean {
  return options == null || stream === true;
}

const needsStream = z.refine<SamplingFields>(checkStreamOptions, {
  path: ["stream_options"],
  error: "needs stream true; leave it out",
});

export interface CompletionRequest extends SamplingFields {
  readonly prompt: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  readonly max_tokens?: Maybe<number>;
  readonly echo?: Maybe<boolean>;
  readonly logprobs?: Maybe<number>;
  readonly best_of?: Maybe<number>;
}

export const completionSchema: z.ZodMiniType<CompletionRequest> = z
  .strictObject({
    ...sampling,
    prompt: promptSchema,
    max_tokens: atLeast(0).check(z.describe("default 16")),
    echo: flag.check(z.describe("return the prompt before the answer")),
    logprobs: atLeast(0, z.maximum(maxTop)).check(
      z.describe(`number of most likely tokens to list at each position; ${ofLogProbs}`),
    ),
    best_of: atLeast(1, z.maximum(maxChoices)).check(
      z.describe(
        "number of texts to generate; the n with the highest mean log-probability are returned",
      ),
    ),
    suffix: z.nullish(z.literal("")),
  })
  .check(
    needsStream,
    z.superRefine(({ n, best_of: most, stream }, check) => {
      if (most == null || most === (n ?? 1)) return;
      const wrong =
        stream === true
          ? "the best texts are known only at the end; leave out stream"
          : most < (n ?? 1)
            ? `expected at least n, which is ${n}`
            : undefined;
      if (wrong !== undefined)
        check.addIssue({ code: "custom", path: ["best_of"], message: wrong });
    }),
    z.describe("A text to continue."),
  );

export interface ChatRequest extends SamplingFields, AnswerFields {
  readonly messages: readonly ChatMessage[];
  readonly max_tokens?: Maybe<number>;
  readonly max_completion_tokens?: Maybe<number>;
  readonly logprobs?: Maybe<boolean>;
  readonly top_logprobs?: Maybe<number>;
}

export const chatSchema: z.ZodMiniType<ChatRequest> = z
  .strictObject({
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
  })
  .check(needsStream, z.describe("A conversation to continue, for models with a chat template."));

export interface EmbeddingRequest {
  readonly model?: Maybe<string>;
  readonly input: CompletionRequest["prompt"];
  readonly encoding_format?: Maybe<"float" | "base64">;
  readonly engram?: Maybe<{ readonly enabled: boolean; readonly scale: number }>;
}

export const embeddingSchema: z.ZodMiniType<EmbeddingRequest> = z
  .strictObject({
    model: sampling.model,
    input: promptSchema,
    encoding_format: z.nullish(z.enum(["float", "base64"])),
    user: z.nullish(z.string()),
    engram: z.nullish(z.strictObject({ enabled: engramFields.enabled, scale: engramFields.scale })),
  })
  .check(
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

export const tokenizeSchema: z.ZodMiniType<TokenizeRequest> = z
  .strictObject({
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
  })
  .check(
    z.superRefine((body, check) => {
      const forms = (["prompt", "content", "messages"] as const).filter(
        (form) => body[form] != null,
      );
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

export const detokenizeSchema: z.ZodMiniType<DetokenizeRequest> = z
  .strictObject({
    model: modelName,
    tokens: z.array(tokenId).check(z.maxLength(maxDetokenized)),
  })
  .check(z.describe("Token ids to convert to a text."));
