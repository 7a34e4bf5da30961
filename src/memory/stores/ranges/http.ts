/**
 * A table file (`memory/table-file.ts`) behind a web server. Network and server are not trusted: every block is
 * checked against its checksum each time it is read.
 */
import { type HttpOptions, openHttpRanges } from "../../../bytes/index.ts";
import { type OpenTableOptions, openTableStore, type TableFileStore } from "./table-file.ts";

export type HttpStoreOptions = HttpOptions & OpenTableOptions;

/** Throws `FormatError` for anything but a whole table file of the right kind, `StoreError` where it cannot be read. */
export async function openHttpStore(
  url: string,
  options: HttpStoreOptions = {},
): Promise<TableFileStore> {
  return openTableStore(await openHttpRanges(url, options), { ...options, isTrusted: false });
}
