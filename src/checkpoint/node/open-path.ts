/** Files by their paths, as bytes to be read by range. Errors are the system's. */
import type { ByteRanges } from "../../bytes/index.ts";
import { type FileOptions, openPlain, rangesOf } from "../../bytes/node/index.ts";

/** Throws `FormatError` for a pipe or a device. Reads ahead rather than looking for what is in memory (`FileOptions.readsNow`), unless told otherwise. */
export async function openPath(
  path: string,
  { readsNow = false }: Pick<FileOptions, "readsNow"> = {},
): Promise<ByteRanges> {
  const { file, size } = await openPlain(path);
  return rangesOf(file, { name: path, size, readsNow });
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
