/**
 * Facts on the held-out text of a model's training, from training.json: lines of it, and the model's bits per
 * byte on it. Models of others have no such file; unknown values are absent.
 */
import * as z from "zod";
import type { HeldOut } from "./serving.ts";

const figure = z.number().positive().optional().catch(undefined);

/** The first thing that the page shows, so it must be short. */
const excerpt = z.string().min(1).max(2000);

const schema = z
  .object({
    heldOutExcerpts: z.array(excerpt).max(8).optional().catch(undefined),
    // Before there were several.
    heldOutExcerpt: excerpt.optional().catch(undefined),
    bitsPerByte: figure,
    bitsPerByteWithoutMemory: figure,
    bitsPerByteTrainedWithout: figure,
  })
  .catch({});

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
