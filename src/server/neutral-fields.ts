/**
 * Parameters that are accepted and change no answer: labels for the client's own use, and other servers' parameters at
 * the value that describes what this server does anyway. Any other value is refused, since it would be ignored. Knows
 * no request.
 */
import * as z from "zod/mini";

/** A field that a client may leave out or send as null. */
export type Maybe<T> = T | null | undefined;

type Fields = Readonly<Record<string, z.ZodMiniType>>;

/** For all routes that generate text. */
export const neutralFields: Fields = {
  user: z.string().check(z.maxLength(1000)),
  safety_identifier: z.string().check(z.maxLength(1000)),
  prompt_cache_key: z.string().check(z.maxLength(1000)),
  prompt_cache_retention: z.enum(["in_memory", "24h"]),
  metadata: z
    .record(z.string().check(z.maxLength(64)), z.string().check(z.maxLength(512)))
    .check(z.refine((labels) => Object.keys(labels).length <= 16, "expected at most 16 labels")),
  store: z.literal(false, {
    error: "this server does not store answers; send false, or leave it out",
  }),
  service_tier: z.enum(["auto", "default"]),
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
  timings_per_token: z.literal(false),
  return_tokens: z.literal(false),
  repeat_penalty: z.literal(1),
  typical_p: z.literal(1),
  mirostat: z.literal(0),
  dynatemp_range: z.literal(0),
  dry_multiplier: z.literal(0),
  xtc_probability: z.literal(0),
  id_slot: z.literal(-1),
  grammar: z.literal(""),
  n_keep: z.literal(0),
};

/** For conversations only. */
export const neutralChatFields: Fields = {
  modalities: z.array(z.literal("text")),
  reasoning_effort: z.literal("none"),
  verbosity: z.literal("medium"),
  add_generation_prompt: z.literal(true),
  continue_final_message: z.literal(false),
  functions: z
    .array(z.unknown())
    .check(z.maxLength(0, "functions has been replaced by tools; send tools")),
  function_call: z.enum(["none", "auto"]),
  chat_template_kwargs: z.strictObject({}),
};

/** The same fields, each of which may be left out or null. */
export function optional(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).map(([name, one]) => [name, z.nullish(one)]));
}
