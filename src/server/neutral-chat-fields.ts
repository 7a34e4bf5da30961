/** As `neutral-fields.ts`, for conversations alone. */
import * as z from "zod/mini";
import { type Fields, none } from "./neutral-fields.ts";

/** For conversations only. */
export const neutralChatFields: Fields = {
  echo: none,
  modalities: z.array(z.literal("text")),
  reasoning_effort: z.literal("none"),
  // A text that a template marks as thought is a part of the answer here, whichever is asked for.
  include_reasoning: z.boolean(),
  reasoning_format: z.literal("none"),
  thinking_forced_open: z.literal(false),
  verbosity: z.literal("medium"),
  add_generation_prompt: z.literal(true),
  continue_final_message: z.literal(false),
  functions: z
    .array(z.unknown())
    .check(z.maxLength(0, "functions has been replaced by tools; send tools")),
  function_call: z.enum(["none", "auto"]),
  chat_template_kwargs: z.strictObject({}),
};
