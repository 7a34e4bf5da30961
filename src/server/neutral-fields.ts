/**
 * Parameters that are accepted and change no answer: whatever is null, labels for the client's own use, and other servers'
 * parameters at a value that asks for none of it, or that describes what this server does anyway. Any other value is refused,
 * since it would be ignored. Knows no request.
 */
import * as z from "zod/mini";

/** A field that a client may leave out or send as null. */
export type Maybe<T> = T | null | undefined;

export type Fields = Readonly<Record<string, z.ZodMiniType>>;

/** An object that may have fields which its schema does not name, as long as they are null: null asks for nothing. */
export function withNulls<Shape extends z.core.$ZodShape>(
  shape: Shape,
): z.ZodMiniObject<Shape, z.core.$catchall<z.ZodMiniNull>> {
  return z.catchall(z.object(shape), z.null());
}

/** Every way to say "none of it". Only of parameters of which each of these says so. */
export const none: z.ZodMiniType = z.union(
  [z.literal([false, 0, ""]), z.array(z.unknown()).check(z.maxLength(0)), z.strictObject({})],
  { error: "is not supported by this server; send nothing, or leave it out" },
);

const label = z.string().check(z.maxLength(1000));
/** What tunes a sampler that must be off here. */
const ofSamplerThatIsOff = z.number();

/** Parameters of vLLM, llama-server, OpenRouter and others, which this server knows only to be asked for none of it. */
const unsupported = [
  "documents",
  "fallbacks",
  "image_data",
  "logits_processors",
  "lora",
  "models",
  "n_discard",
  "n_indent",
  "n_probs",
  "plugins",
  "post_sampling_probs",
  "provider",
  "response_fields",
  "return_progress",
  "return_token_ids",
  "return_tokens",
  "return_tokens_as_token_ids",
  "t_max_predict_ms",
  "timings_per_token",
  "transforms",
] as const;

/** For all routes that generate text. */
export const neutralFields: Fields = {
  ...Object.fromEntries(unsupported.map((name) => [name, none])),
  user: label,
  safety_identifier: label,
  prompt_cache_key: label,
  request_id: label,
  session_id: label,
  prompt_cache_retention: z.enum(["in_memory", "24h"]),
  metadata: z
    .record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512)))
    .check(z.refine((labels) => Object.keys(labels).length <= 16, "expected at most 16 labels")),
  store: z.literal(false, {
    error: "this server does not store answers; send false, or leave it out",
  }),
  // What an answer costs, and when it comes.
  service_tier: z.enum(["auto", "default", "flex", "scale", "priority"]),
  background: z.literal(false),
  // vLLM's.
  skip_special_tokens: z.literal(true),
  spaces_between_special_tokens: z.literal(true),
  include_stop_str_in_output: z.literal(false),
  use_beam_search: z.literal(false),
  length_penalty: z.literal(1),
  early_stopping: z.literal(false),
  priority: z.literal(0),
  add_special_tokens: z.literal(true),
  // llama-server's.
  cache_prompt: z.literal(true),
  repeat_penalty: z.literal(1),
  typical_p: z.literal(1),
  mirostat: z.literal(0),
  mirostat_tau: ofSamplerThatIsOff,
  mirostat_eta: ofSamplerThatIsOff,
  dynatemp_range: z.literal(0),
  dynatemp_exponent: ofSamplerThatIsOff,
  dry_multiplier: z.literal(0),
  dry_base: ofSamplerThatIsOff,
  dry_allowed_length: ofSamplerThatIsOff,
  dry_penalty_last_n: ofSamplerThatIsOff,
  dry_sequence_breakers: z.array(label),
  xtc_probability: z.literal(0),
  xtc_threshold: ofSamplerThatIsOff,
  id_slot: z.literal(-1),
  grammar: z.literal(""),
  n_keep: z.literal(0),
};

/** The same fields, each of which may be left out or null. */
export function optional(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, z.nullish(one)]));
}
