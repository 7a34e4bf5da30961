/**
 * What a model's directory tells of the text that its training held out, in training.json: the beginning of it, and
 * how well the model tells it. Models of others have no such file; what is not known is absent.
 */
import { join } from "node:path";
import * as z from "zod";
import { readJsonFile } from "../checkpoint/node/index.ts";
import type { HeldOut } from "../server/index.ts";

const figure = z.number().positive().optional().catch(undefined);

const schema = z
  .object({
    // Shown to people at first sight: no place for a book.
    heldOutExcerpt: z.string().min(1).max(2000).optional().catch(undefined),
    bitsPerByte: figure,
    bitsPerByteWithoutMemory: figure,
    bitsPerByteTrainedWithout: figure,
  })
  .catch({});

export async function heldOutOf(directory: string): Promise<HeldOut> {
  // A damaged report of a run keeps nobody from using the model.
  const report = await readJsonFile(join(directory, "training.json")).catch(() => undefined);
  const found = schema.parse(report);
  return {
    excerpt: found.heldOutExcerpt,
    bitsPerByte: found.bitsPerByte,
    memoryOff: found.bitsPerByteWithoutMemory,
    trainedWithout: found.bitsPerByteTrainedWithout,
  };
}
