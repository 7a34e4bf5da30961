/**
 * Facts on the held-out text of a model's training, from training.json: its beginning, and the model's bits per byte
 * on it. Models of others have no such file; unknown values are absent.
 */
import { join } from "node:path";
import * as z from "zod";
import { readJsonFile } from "../checkpoint/node/index.ts";
import type { HeldOut } from "../server/index.ts";

const figure = z.number().positive().optional().catch(undefined);

const schema = z
  .object({
    // It is the first thing that the page shows, so it must be short.
    heldOutExcerpt: z.string().min(1).max(2000).optional().catch(undefined),
    bitsPerByte: figure,
    bitsPerByteWithoutMemory: figure,
    bitsPerByteTrainedWithout: figure,
  })
  .catch({});

export async function heldOutOf(directory: string): Promise<HeldOut> {
  // A damaged file must not prevent the use of the model.
  const report = await readJsonFile(join(directory, "training.json")).catch(() => undefined);
  const found = schema.parse(report);
  return {
    excerpt: found.heldOutExcerpt,
    bitsPerByte: found.bitsPerByte,
    memoryOff: found.bitsPerByteWithoutMemory,
    trainedWithout: found.bitsPerByteTrainedWithout,
  };
}
