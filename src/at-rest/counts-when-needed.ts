/** The names of a counted memory's tensors, and their code, which is loaded with the first model that counts. */
import type { ModelFiles } from "../checkpoint/index.ts";
import type { ModelConfig } from "../model/index.ts";
import type { CountsAtRest } from "./counted-tensors.ts";
import type { LocateOptions } from "./tables.ts";

export const countedTensors = {
  buckets: "memory_counts.buckets",
  offsets: "memory_counts.offsets",
  unigrams: "memory_counts.unigrams",
  discounts: "memory_counts.discounts",
} as const;

/** All tensors of a counted memory; the first is its table's. */
export const countedNames: readonly string[] = Object.values(countedTensors);

/**
 * Finds a model's counted memory; undefined if it has none. Reads headers only, unless the table is elsewhere. Throws
 * `FormatError` where a tensor is missing or not what the configuration says.
 */
export async function locateCounts(
  files: ModelFiles,
  { counted, vocabSize, numLayers: layerId }: ModelConfig,
  options: LocateOptions = {},
): Promise<CountsAtRest | undefined> {
  if (counted === undefined) return undefined;
  const { locateCounts: locate } = await import("./counted-tensors.ts");
  return locate(files, { ...counted, vocabSize, layerId }, options);
}
