// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/**
 * Schemas of requests that generate text: OpenAI's parameters, those that vLLM and llama-server added, and `engram`.
 * Unknown parameters are refused, never ignored, unless they are null. A known parameter that is not supported is accepted
 * with a value that changes nothing, since some clients always send it.
 */
import * as z from "zod/mini";
import { type Ablate, ablateSchema } from "./ablate-field.ts";
import { type Maybe, neutralFields, optional, withNulls } from "./neutral-fields.ts";
import { scopeName } from "./scope-name.ts";

const maxChoices = 64;
const maxPrompts = 1024;
/** Most likely tokens that are listed at a position. */
export const maxTop: number = 20;
const maxBiases = 1024;

export const tokenId: z.ZodMiniType<number> = z.int().check(z.minimum(0), z.maximum(2 ** 31 - 1));
type Prompts = string | readonly string[] | readonly number[] | readonly (readonly number[])[];

const tokenIds = z.array(tokenId).check(z.minLength(1));
const prompts = [z.minLength(1), z.maxLength(maxPrompts)] as const;

export const promptSchema: z.ZodMiniType<Prompts> = z.union(
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
          "the answer says, the chance that the model gave to that (chance; null: it says something else), and how likely it is the taught answer to " +
          "what was asked (known, calibrated; 0: it says something else). Keys: where words of facts are in the text, " +
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

/** What of it a request has that reads texts and writes none. */
export const readingSchema: z.ZodMiniType<Pick<EngramOptions, "enabled" | "scale">> =
  z.strictObject({ enabled: engramFields.enabled, scale: engramFields.scale });

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
export const atLeast = (
  least: number,
  ...checks: z.core.$ZodCheck<number>[]
): z.ZodMiniType<Maybe<number>> => z.nullish(z.int().check(z.minimum(least), ...checks));

export const modelName: z.ZodMiniType<Maybe<string>> = z.nullish(z.string());
export const flag: z.ZodMiniType<Maybe<boolean>> = z.nullish(z.boolean());
const stopText = z.string().check(z.maxLength(1000));

export const sampling: {
  readonly [Name in keyof SamplingFields]-?: z.ZodMiniType<SamplingFields[Name]>;
} = {
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
      continuous_usage_stats: z.nullish(z.literal(false)),
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
export const ofLogProbs: string =
  "log-probabilities are natural logarithms over the whole vocabulary. They are the model's own, with the memory as " +
  "engram sets it, before temperature, top_k, top_p, min_p, penalties and logit_bias";

/** Refuses `stream_options` without `stream`: it would be ignored. */
function checkStreamOptions({ stream, stream_options: options }: SamplingFields): boolean {
  return options == null || stream === true;
}

export const needsStream: z.core.$ZodCheck<SamplingFields> = z.refine<SamplingFields>(
  checkStreamOptions,
  {
    path: ["stream_options"],
    error: "needs stream true; leave it out",
  },
);

export interface CompletionRequest extends SamplingFields {
  readonly prompt: Prompts;
  readonly max_tokens?: Maybe<number>;
  readonly echo?: Maybe<boolean>;
  readonly logprobs?: Maybe<number>;
  readonly best_of?: Maybe<number>;
}

export const completionSchema: z.ZodMiniType<CompletionRequest> = withNulls({
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
}).check(
  needsStream,
  z.superRefine(({ n, best_of: most, stream }, check) => {
    if (most == null || most === (n ?? 1)) return;
    const wrong =
      stream === true
        ? "the best texts are known only at the end; leave out stream"
        : most < (n ?? 1)
          ? `expected at least n, which is ${n}`
          : undefined;
    if (wrong !== undefined) check.addIssue({ code: "custom", path: ["best_of"], message: wrong });
  }),
  z.describe("A text to continue."),
);
