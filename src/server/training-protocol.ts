// oxlint-disable no-underscore-dangle -- `_default` is the library's own name
/** The schema of a request to train. */
import * as z from "zod/mini";

export interface TrainingRequest {
  readonly name: string;
  readonly text?: string | undefined;
}

export const trainingSchema: z.ZodMiniType<TrainingRequest> = z
  .strictObject({
    name: z._default(z.string().check(z.maxLength(200)), "a text"),
    text: z.optional(z.string().check(z.minLength(1))).check(z.describe("default: the sample")),
  })
  .check(z.describe("A text to train a small model on, whose last tenth is held out."));
