/** The files of a model, whatever holds them: a directory in the layout of Hugging Face, or one GGUF file. */
import type { ByteSource } from "./bytes/index.ts";
import { ModelDirectory, type ModelFiles } from "./checkpoint/index.ts";

/** Reads settings and headers; no weights. Throws as `ModelDirectory.open` and `GgufModel.open` do. */
export async function openModelFiles(source: ByteSource): Promise<ModelFiles> {
  const { single } = source;
  if (single === undefined) return ModelDirectory.open(source);
  // A page that opens none of these does without.
  return (await import("./gguf-model.ts")).GgufModel.open(source, single);
}
