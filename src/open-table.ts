/**
 * A model's table left in its file, behind a cache of bounded size: for tables that are larger than the memory at
 * hand. Knows where tables lie in a model directory; what is kept in the cache is the cache's business.
 */
import { ModelDirectory } from "./checkpoint/node/index.ts";
import {
  cached,
  openSplitStore,
  type RetrievalTable,
  type RowFormat,
  type RowStore,
} from "./memory/index.ts";
import { openFileStore } from "./memory/stores/node/index.ts";
import { tableParts } from "./table-tensors.ts";

export interface OpenTableInPlaceOptions {
  readonly layerId: number;
  readonly numRows: number;
  readonly format: RowFormat;
  /** Memory for this table's cache, all of it. */
  readonly cacheBytes: number;
}

/** The tensors' types and shapes have been checked. Closing the table's store closes its files. */
export async function openTableInPlace(
  directory: string,
  { layerId, numRows, format, cacheBytes }: OpenTableInPlaceOptions,
): Promise<RetrievalTable> {
  const store = await storeOf(await ModelDirectory.open(directory), { layerId, numRows, format });
  try {
    return { layerId, store: cached(store, { bytes: cacheBytes }), format };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Rows of a table as they lie in its file. Owns `files`. */
async function storeOf(
  files: ModelDirectory,
  { layerId, numRows, format }: Omit<OpenTableInPlaceOptions, "cacheBytes">,
): Promise<RowStore> {
  const parts = tableParts(layerId, format);
  const { rowBytes } = format;
  if (parts.length === 1) {
    const codes = (await files.find(parts[0]!.name))!;
    await files.close();
    // Node takes forward slashes everywhere.
    return openFileStore(`${files.path}/${codes.file}`, { rowBytes, numRows, offset: codes.begin });
  }
  const inner = openSplitStore(files, { numRows, rowBytes, parts });
  return {
    numRows,
    rowBytes,
    read: (rows, into) => inner.read(rows, into),
    async close() {
      await inner.close();
      await files.close();
    },
  };
}
