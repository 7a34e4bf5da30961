/** The files of a model, whatever holds them: a directory in the layout of Hugging Face, or one GGUF file. */
import type { ByteSource } from "./bytes/index.ts";
import { ModelDirectory, type ModelFiles } from "./checkpoint/index.ts";
import type { GgufModel } from "./gguf-model.ts";

/** `tokenizerFile`: the same as the text of `tokenizer`, sooner. Absent or undefined where that text is what there is. */
export type FilesOfModel = ModelFiles & Partial<Pick<GgufModel, "tokenizerFile">>;

/** Reads settings and headers; no weights. Throws as `ModelDirectory.open` and `GgufModel.open` do. */
export async function openModelFiles(source: ByteSource): Promise<FilesOfModel> {
  const { single } = source;
  if (single === undefined) return ModelDirectory.open(source);
  // A page that opens none of these does without.
  return (await import("./gguf-model.ts")).GgufModel.open(source, single);
}
