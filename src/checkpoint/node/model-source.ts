/** What a path of a model leads to: a directory, or a GGUF file or its parts, which may lie alone in a directory. */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ByteSource } from "../../bytes/index.ts";
import { FormatError } from "../../errors.ts";
import { ggufFileNames, ggufModelNames } from "../gguf-files.ts";
import { modelNames } from "../model-files.ts";
import { openDirectory } from "./directory-source.ts";
import { openIfThere } from "./open-path.ts";

/** Throws `FormatError` where there is neither. */
export async function openModelPath(path: string): Promise<ByteSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined)
    throw new FormatError(`${path}: expected a model directory or a .gguf file, there is nothing`);
  if (found.isFile()) return oneFile(path);
  const names = found.isDirectory() ? await readdir(path) : [];
  const ggufs = ggufModelNames(names);
  if (ggufs.length === 0 || names.includes(modelNames.config)) return openDirectory(path);
  if (ggufs.length === 1) return oneFile(join(path, ggufs[0]!));
  throw new FormatError(
    `${path} has no ${modelNames.config}, but ${ggufs.length} GGUF models; name one: ${ggufs.slice(0, 8).join(", ")}`,
  );
}

function oneFile(path: string): ByteSource {
  const single = basename(path);
  const parts = ggufFileNames(single);
  const nameOf = (file: string): string => (file === single ? path : join(dirname(path), file));
  return {
    name: path,
    single,
    isTrusted: true,
    nameOf,
    read: async () => undefined,
    open: async (file) => (parts.includes(file) ? openIfThere(nameOf(file)) : undefined),
  };
}
