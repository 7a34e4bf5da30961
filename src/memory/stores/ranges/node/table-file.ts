/** A table file (`memory/table-file.ts`) on a disk of this machine. */
import { type OpenTableOptions, openTableStore, type TableFileStore } from "../table-file.ts";
import { openFileRanges } from "../../../../bytes/node/index.ts";

/** Throws `FormatError`, with the file's name, for anything but a whole table file of the right kind. */
export async function openTableFile(
  path: string,
  options: OpenTableOptions & { readonly maxInFlight?: number } = {},
): Promise<TableFileStore> {
  return openTableStore(await openFileRanges(path, options), { ...options, isTrusted: true });
}
