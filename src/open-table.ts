/**
 * Tables left in their files: behind caches of bounded size for models, as they are for whoever looks at a few rows,
 * in our layout and in the released one. Knows where tables lie in a directory; what a cache keeps is its business.
 */
import { DisposalStack } from "./disposal-stack.ts";
import { type LocatedTensor, ModelDirectory } from "./checkpoint/node/index.ts";
import { FormatError } from "./errors.ts";
import {
  buildLayout,
  cached,
  type EngramConfig,
  measured,
  openSplitStore,
  releasedTensorNames,
  type RetrievalTable,
  type RowFormat,
  rowFormat,
  type RowStore,
  SideBySideStore,
} from "./memory/index.ts";
import { openFileStore } from "./memory/stores/node/index.ts";
import { formatOfTable, tableName, tableParts } from "./table-tensors.ts";

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
  await using opened = new DisposalStack();
  const rows = await storeOf(await ModelDirectory.open(directory), { layerId, numRows, format });
  opened.adopt(rows, (one) => one.close());
  const file = wrapStore(measured(rows, { tier: "disk" }), {
    layerId,
    name: "file",
    isOuter: false,
  });
  const cache = cached(file, { bytes: cacheBytes });
  const store = wrapStore(cache, { layerId, name: "cache", isOuter: true });
  opened.move();
  return { layerId, store, format };
}

/** Rows of a table as they lie in its file, or in the two of them for codes and scales. Owns `files`. */
async function storeOf(
  files: ModelDirectory,
  { layerId, numRows, format }: Pick<OpenTableInPlaceOptions, "layerId" | "numRows" | "format">,
): Promise<RowStore> {
  const parts: RowStore[] = [];
  try {
    for (const { name, from, to } of tableParts(layerId, format)) {
      const { file, begin } = (await files.find(name))!;
      parts.push(
        await openFileStore(files.pathOf(file), { rowBytes: to - from, numRows, offset: begin }),
      );
    }
  } catch (error) {
    for (const part of parts) await part.close();
    throw error;
  } finally {
    await files.close();
  }
  return parts.length === 1 ? parts[0]! : new SideBySideStore(parts);
}

/** What is needed of a `ModelDirectory` here. */
export type TableFiles = Pick<ModelDirectory, "path" | "find" | "readRange" | "pathOf">;

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
  await using opened = new DisposalStack();
  for (const { layerId, numRows } of buildLayout(engram).layers) {
    const released = isReleased ? releasedTensorNames(layerId) : undefined;
    const codes = await required(files, released?.codes ?? tableName(layerId));
    const name = formatOfTable(codes.dtype);
    if (name === undefined || (isReleased && name !== "fp8"))
      throw new FormatError(
        `${files.path}: expected the table "${codes.name}" as ` +
          `${isReleased ? "F8_E4M3" : "F32, BF16, F8_E4M3, I8 or U8"}, it is ${codes.dtype}`,
      );
    const format = rowFormat(name, headDim);
    const { rowBytes } = format;
    const parts = tableParts(layerId, format);
    const located: LocatedTensor[] = [];
    for (const [i, part] of parts.entries()) {
      const tensor = await required(files, released?.[i === 0 ? "codes" : "scales"] ?? part.name);
      checkPart(files, tensor, { dtype: part.dtype, shape: [numRows, part.columns] });
      paths.add(files.pathOf(tensor.file));
      located.push(tensor);
    }
    const store =
      parts.length === 1
        ? await openFileStore(files.pathOf(codes.file), {
            rowBytes,
            numRows,
            offset: codes.begin,
          })
        : openSplitStore(files, {
            rowBytes,
            numRows,
            parts: parts.map(({ from, to }, i) => ({ name: located[i]!.name, from, to })),
          });
    opened.adopt(store, (one) => one.close());
    tables.push({ layerId, store, format });
  }
  const owned = opened.move();
  return {
    layout: isReleased ? "released" : "engram",
    tables,
    files: [...paths],
    close: () => owned[Symbol.asyncDispose](),
  };
}

async function required(files: TableFiles, name: string): Promise<LocatedTensor> {
  const tensor = await files.find(name);
  if (tensor === undefined)
    throw new FormatError(`${files.path}: the table's tensor "${name}" is missing`);
  return tensor;
}

function checkPart(
  files: TableFiles,
  { name, dtype, shape }: LocatedTensor,
  expected: { readonly dtype: string; readonly shape: readonly number[] },
): void {
  if (dtype !== expected.dtype || JSON.stringify(shape) !== JSON.stringify(expected.shape))
    throw new FormatError(
      `${files.path}: tensor "${name}" should be ${expected.dtype} [${expected.shape.join(", ")}] by ` +
        `config.json, it is ${dtype} [${shape.join(", ")}]`,
    );
}
