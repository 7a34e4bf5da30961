/** Files by their paths, as bytes to be read by range. Errors are the system's. */
import { open, stat } from "node:fs/promises";
import type { ByteRanges } from "../../bytes/index.ts";
import { type FileOptions, rangesOf } from "../../bytes/node/index.ts";
import { FormatError } from "../../errors.ts";

/** Throws `FormatError` for a pipe or a device: opening one may wait for ever, and no signal ends that. */
export async function refuseSpecial(path: string): Promise<void> {
  const found = await stat(path);
  if (found.isFile() || found.isDirectory()) return;
  throw new FormatError(`${path}: expected a file, found a pipe or a device; remove it`);
}

/** Reads ahead rather than looking for what is in memory (`FileOptions.readsNow`), unless told otherwise. */
export async function openPath(
  path: string,
  { readsNow = false }: Pick<FileOptions, "readsNow"> = {},
): Promise<ByteRanges> {
  await refuseSpecial(path);
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
