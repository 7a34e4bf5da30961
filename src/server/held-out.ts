/**
 * Facts on the held-out text of a model's training, from training.json: lines of it, and the model's bits per
 * byte on it. Models of others have no such file; unknown values are absent.
 */
import * as z from "zod/mini";
import type { HeldOut } from "./serving.ts";

const figure = z.catch(z.optional(z.number().check(z.positive())), undefined);

/** The first thing that the page shows, so it must be short. */
const excerpt = z.string().check(z.minLength(1), z.maxLength(2000));

const schema = z.catch(
  z.object({
    heldOutExcerpts: z.catch(z.optional(z.array(excerpt).check(z.maxLength(8))), undefined),
    // Before there were several.
    heldOutExcerpt: z.catch(z.optional(excerpt), undefined),
    bitsPerByte: figure,
    bitsPerByteWithoutMemory: figure,
    bitsPerByteTrainedWithout: figure,
  }),
  {},
);

/** Of anything: a damaged file must not prevent the use of the model. */
export function parseHeldOut(report: unknown): HeldOut {
  const found = schema.parse(report);
  return {
    excerpts: found.heldOutExcerpts ?? [found.heldOutExcerpt].filter((one) => one !== undefined),
    bitsPerByte: found.bitsPerByte,
    memoryOff: found.bitsPerByteWithoutMemory,
    trainedWithout: found.bitsPerByteTrainedWithout,
  };
}
