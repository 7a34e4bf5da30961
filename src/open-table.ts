/**
 * A model's table left in its file, behind a cache of bounded size: for tables that are larger than the memory at
 * hand. Knows where tables lie in a model directory; what is kept in the cache is the cache's business.
 */
import { ModelDirectory } from "./checkpoint/node/index.ts";
import {
  cached,
  measured,
  openReleasedStore,
  type RetrievalTable,
  type RowFormat,
  type RowStore,
} from "./memory/index.ts";
import { openFileStore } from "./memory/stores/node/index.ts";
import { tableName, tableScaleName } from "./save-model.ts";

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
    return {
      layerId,
      store: cached(measured(store, { tier: "disk" }), { bytes: cacheBytes }),
      format,
    };
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
  const codes = (await files.find(tableName(layerId)))!;
  const { rowBytes, headDim } = format;
  if (format.name !== "fp8") {
    await files.close();
    // Node takes forward slashes everywhere.
    return openFileStore(`${files.path}/${codes.file}`, { rowBytes, numRows, offset: codes.begin });
  }
  const scales = (await files.find(tableScaleName(layerId)))!;
  const inner = openReleasedStore(files, { numRows, headDim, codes, scales });
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
