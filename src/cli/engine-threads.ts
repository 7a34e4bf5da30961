/** `--threads N`: how many threads the engine uses, for all commands that compute. */
import type * as z from "zod";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import type { Backend } from "../tensor/index.ts";
import { wholeNumber } from "./arguments.ts";

export const threadsOption = {
  flags: "--threads <N>",
  description: "threads of the engine (default: all cores)",
  // What a container or a batch job has is one number for all commands.
  env: "ENGRAM_THREADS",
} as const;

export const threadsSchema: { threads: z.ZodType<number | undefined> } = {
  threads: wholeNumber(1).optional(),
};

/** An engine with this number of threads. The caller disposes it. */
export function engineOf(threads: number | undefined): Backend {
  return ortBackend(threads === undefined ? {} : { threads });
}
