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
  enabled: z._default(z.boolean(), true),
  scale: z._default(z.number().check(z.minimum(-100), z.maximum(100)), 1),
  return: z._default(z.array(z.enum(["gates", "rows", "facts", "keys", "sources"])), []),
  scopes: z.optional(z.array(scopeName).check(z.maxLength(16))),
  ablate: z.optional(ablateSchema),
  packs: z.optional(
    z.array(z.string().check(z.minLength(1), z.maxLength(255))).check(z.maxLength(16)),
  ),
  learn: z.optional(scopeName),
};

/** What of it a request has that reads texts and writes none. */
export const readingSchema: z.ZodMiniType<Pick<EngramOptions, "enabled" | "scale">> =
  z.strictObject({ enabled: engramFields.enabled, scale: engramFields.scale });

const engramSchema: z.ZodMiniType<EngramOptions> = z.strictObject(engramFields);

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
  model: modelName,
  temperature: between(0, 100),
  top_p: between(0, 1),
  top_k: atLeast(-1),
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
  seed: z.nullish(z.int()),
  stop: z.nullish(z.union([stopText, z.array(stopText).check(z.maxLength(16))])),
  n: atLeast(1, z.maximum(maxChoices)),
  ignore_eos: flag,
  stream: flag,
  stream_options: z.nullish(
    z.strictObject({
      include_usage: flag,
      include_obfuscation: z.nullish(z.literal(false)),
      continuous_usage_stats: z.nullish(z.literal(false)),
    }),
  ),
  min_tokens: atLeast(0),
  stop_token_ids: z.nullish(z.array(tokenId).check(z.maxLength(maxBiases))),
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
  max_tokens: atLeast(0),
  echo: flag,
  logprobs: atLeast(0, z.maximum(maxTop)),
  best_of: atLeast(1, z.maximum(maxChoices)),
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
);
