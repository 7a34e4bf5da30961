/** Files by their paths, as bytes to be read by range. Errors are the system's. */
import { open } from "node:fs/promises";
import type { ByteRanges } from "../../bytes/index.ts";
import { type FileOptions, rangesOf } from "../../bytes/node/index.ts";

/** Reads ahead rather than looking for what is in memory (`FileOptions.readsNow`), unless told otherwise. */
export async function openPath(
  path: string,
  { readsNow = false }: Pick<FileOptions, "readsNow"> = {},
): Promise<ByteRanges> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    return rangesOf(file, { name: path, size, readsNow });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** As `openPath`; undefined if there is no such file. */
export async function openIfThere(
  path: string,
  options?: Pick<FileOptions, "readsNow">,
): Promise<ByteRanges | undefined> {
  return openPath(path, options).catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}

export function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
