/**
 * Tables left in their files: behind caches of bounded size for models, as they are for whoever looks at a few rows,
 * in our layout and in the released one. Knows where tables lie in a directory; what a cache keeps is its business.
 */
import { type LocatedTensor, ModelDirectory } from "./checkpoint/node/index.ts";
import { FormatError } from "./errors.ts";
import {
  buildLayout,
  cached,
  type EngramConfig,
  measured,
  openReleasedStore,
  releasedTensorNames,
  type RetrievalTable,
  type RowFormat,
  rowFormat,
  type RowFormatName,
  type RowStore,
} from "./memory/index.ts";
import { openFileStore } from "./memory/stores/node/index.ts";
import { tableName, tableScaleName } from "./save-model.ts";

/** Formats of tables at rest by the element type of their tensor. */
export const formatOfDtype: Readonly<Record<string, RowFormatName>> = {
  F32: "f32",
  BF16: "bf16",
  F8_E4M3: "fp8",
};

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
    const file = wrapStore(measured(store, { tier: "disk" }), {
      layerId,
      name: "file",
      isOuter: false,
    });
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

/** What is needed of a `ModelDirectory` here. */
export type TableFiles = Pick<ModelDirectory, "path" | "find" | "readRange">;

/** The tables of a directory, to be read a few rows at a time. */
export interface TablesInPlace {
  readonly layout: "engram" | "released";
  readonly tables: readonly RetrievalTable[];
  /** Where each table lies: its file, or both of its tensors' files. */
  readonly files: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens the tables of `files`, whose tensors may be named and laid out as ours or as the released ones are. Reads
 * headers only. Throws `FormatError` where a tensor is missing, or is not what the configuration says. Does not own
 * `files`, which must stay open.
 */
export async function openTables(files: TableFiles, engram: EngramConfig): Promise<TablesInPlace> {
  const { headDim, layerIds } = engram;
  const isReleased = (await files.find(releasedTensorNames(layerIds[0]!).codes)) !== undefined;
  const tables: RetrievalTable[] = [];
  const paths = new Set<string>();
  const close = async (): Promise<void> => {
    for (const { store } of tables) await store.close();
  };
  try {
    for (const { layerId, numRows } of buildLayout(engram).layers) {
      const names = isReleased
        ? releasedTensorNames(layerId)
        : { codes: tableName(layerId), scales: tableScaleName(layerId) };
      const codes = await required(files, names.codes);
      const format = formatOfDtype[codes.dtype];
      if (format === undefined)
        throw new FormatError(
          `${files.path}: expected the table "${codes.name}" as F32, BF16 or F8_E4M3, it is ${codes.dtype}`,
        );
      const path = `${files.path}/${codes.file}`;
      paths.add(path);
      let store: RowStore;
      if (format === "fp8") {
        const scales = await required(files, names.scales);
        paths.add(`${files.path}/${scales.file}`);
        store = openReleasedStore(files, { numRows, headDim, codes, scales });
      } else {
        if (JSON.stringify(codes.shape) !== JSON.stringify([numRows, headDim]))
          throw new FormatError(
            `${files.path}: tensor "${codes.name}" should be [${numRows}, ${headDim}] by config.json, ` +
              `it is [${codes.shape.join(", ")}]`,
          );
        const { rowBytes } = rowFormat(format, headDim);
        store = await openFileStore(path, { rowBytes, numRows, offset: codes.begin });
      }
      tables.push({ layerId, store, format: rowFormat(format, headDim) });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { layout: isReleased ? "released" : "engram", tables, files: [...paths], close };
}

async function required(files: TableFiles, name: string): Promise<LocatedTensor> {
  const tensor = await files.find(name);
  if (tensor === undefined)
    throw new FormatError(`${files.path}: the table's tensor "${name}" is missing`);
  return tensor;
}
