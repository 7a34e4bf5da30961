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
    text: z.optional(z.string()),
    ids: z.optional(ids.check(z.minLength(1))),
    continuation: z.optional(ids),
    top: z._default(z.int().check(z.minimum(0), z.maximum(20)), 0),
    scale: z._default(z.number().check(z.minimum(-100), z.maximum(100)), 1),
    ablate: z._default(ablateSchema, nothingTaken),
  })
  .check(
    z.refine(
      (body) => (body.text === undefined) !== (body.ids === undefined),
      "expected either text or ids",
    ),
  );
