// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/** The schema of a request that inspects a text. Unknown parameters are refused. */
import * as z from "zod/mini";
import { type Ablate, ablateSchema, nothingTaken } from "./ablate-field.ts";

const whole = z.int().check(z.minimum(0));
const ids = z.array(whole.check(z.maximum(2 ** 31 - 1))).check(z.maxLength(2 ** 20));

export interface InspectRequest {
  readonly model?: string | null | undefined;
  readonly text?: string | undefined;
  readonly ids?: readonly number[] | undefined;
  readonly continuation?: readonly number[] | undefined;
  readonly top: number;
  readonly scale: number;
  readonly ablate: Ablate;
}

export const inspectSchema: z.ZodMiniType<InspectRequest> = z
  .strictObject({
    model: z.nullish(z.string()),
    text: z.optional(z.string()).check(z.describe("a text, read as the beginning of a document")),
    ids: z
      .optional(ids.check(z.minLength(1)))
      .check(z.describe("token ids in place of text; nothing is put before them")),
    continuation: z.optional(ids).check(z.describe("token ids that follow the text")),
    top: z
      ._default(z.int().check(z.minimum(0), z.maximum(20)), 0)
      .check(
        z.describe(
          "number of most likely next tokens to list at each position, with and without the memory",
        ),
      ),
    scale: z
      ._default(z.number().check(z.minimum(-100), z.maximum(100)), 1)
      .check(z.describe("factor for what the memory adds; 0 switches it off")),
    ablate: z._default(ablateSchema, nothingTaken),
  })
  .check(
    z.refine(
      (body) => (body.text === undefined) !== (body.ids === undefined),
      "expected either text or ids",
    ),
    z.describe(
      "A text to read with and without the memory. log_probs[t] belong to token t. layers[].after.rows[t] and next[t] are the " +
        "rows read after token t, and the predictions for the token after it.",
    ),
  );
