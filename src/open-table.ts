/**
 * A model's table left in its file, behind a cache of bounded size: for tables that are larger than the memory at
 * hand. Knows where tables lie in a model directory; what is kept in the cache is the cache's business.
 */
import { ModelDirectory } from "./checkpoint/node/index.ts";
import {
  cached,
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
  readonly wrapStore: WrapStore;
}

/** Puts a store around a store of a table: `name` says what it is, `isOuter` that the model asks it. */
export type WrapStore = (
  store: RowStore,
  place: { readonly layerId: number; readonly name: string; readonly isOuter: boolean },
) => RowStore;

/** The tensors' types and shapes have been checked. Closing the table's store closes its files. */
export async function openTableInPlace(
  directory: string,
  { layerId, numRows, format, cacheBytes, wrapStore }: OpenTableInPlaceOptions,
): Promise<RetrievalTable> {
  const store = await storeOf(await ModelDirectory.open(directory), { layerId, numRows, format });
  try {
    const file = wrapStore(store, { layerId, name: "file", isOuter: false });
    const cache = cached(file, { bytes: cacheBytes });
    return { layerId, store: wrapStore(cache, { layerId, name: "cache", isOuter: true }), format };
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Rows of a table as they lie in its file. Owns `files`. */
async function storeOf(
  files: ModelDirectory,
  { layerId, numRows, format }: Pick<OpenTableInPlaceOptions, "layerId" | "numRows" | "format">,
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
