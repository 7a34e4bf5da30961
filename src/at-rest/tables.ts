/**
 * Finds and opens the tables of a model. They are stored in the model's tensors, in our layout or the released
 * one, or elsewhere, in table files and clusters (`OpenElsewhere`). They are read in place, through a cache, or
 * from RAM. All tables are opened here. Knows no ids and no weights.
 */
import {
  checkTensor,
  type LocatedTensor,
  MissingFileError,
  type ModelFiles,
} from "../checkpoint/index.ts";
import { FormatError } from "../errors.ts";
import {
  buildLayout,
  type EngramConfig,
  hashConstants,
  hashConstantsDigest,
  type LayerLayout,
  openRamStore,
  readInPlace,
  type RetrievalTable,
  type RowFormat,
  rowFormat,
  type RowStore,
  type SmallRamStore,
  type TableIdentity,
  type UseCodes,
} from "../memory/index.ts";
import { findUseCodes } from "./table-counts.ts";
import { formatOfTable, releasedTensorNames, tableName, tableParts } from "./table-tensors.ts";
import type { OpenElsewhere } from "./web-tables.ts";

/** The part of a `ModelFiles` that is needed here. */
export type TableFiles = Pick<ModelFiles, "path" | "source" | "find" | "openFile">;

/** A tensor, and which bytes of a row it has: `from` inclusive, `to` exclusive. */
export interface LocatedPart {
  readonly tensor: LocatedTensor;
  readonly from: number;
  readonly to: number;
}

/** A table that is not yet open. */
export interface TableAtRest {
  readonly layerId: number;
  readonly numRows: number;
  readonly format: RowFormat;
  readonly tier: "disk" | "remote";
  /** Its tensors in the directory, in the order of their bytes in a row; none if it is elsewhere. */
  readonly parts: readonly LocatedPart[];
  readonly useCodes: UseCodes | undefined;
  /** Opens a new store with each call. The caller closes it. */
  open(): Promise<RowStore>;
}

export interface LocateOptions {
  /** Opens the tables, if they are not the model's tensors. */
  readonly elsewhere?: OpenElsewhere | undefined;
}

/**
 * Finds all tables of a model. Reads headers only. Throws `FormatError` where a tensor is missing, or a table is not
 * what the configuration says.
 */
export async function locateTables(
  files: TableFiles,
  engram: EngramConfig,
  { elsewhere }: LocateOptions = {},
): Promise<TableAtRest[]> {
  const tables: TableAtRest[] = [];
  const { headDim } = engram;
  const identities = elsewhere && (await tableIdentity(engram));
  for (const [i, layer] of buildLayout(engram).layers.entries()) {
    const isHere = elsewhere === undefined || (await hasTable(files, layer.layerId));
    const local = isHere ? await locateTensors(files, layer, headDim) : undefined;
    const table =
      elsewhere === undefined
        ? local
        : await locateElsewhere(elsewhere, { files, identity: identities![i]!, local });
    if (table === undefined)
      throw new FormatError(
        `${files.path}: expected the rows of layer ${layer.layerId} with the others, found none`,
      );
    tables.push(table);
  }
  return tables;
}

/**
 * A directory need not have tables that are read from elsewhere. If it has them, they are compared, and must be
 * valid.
 */
async function hasTable(files: TableFiles, layerId: number): Promise<boolean> {
  try {
    return (await findTable(files, layerId)) !== undefined;
  } catch (error) {
    if (error instanceof MissingFileError) return false;
    throw error;
  }
}

/** What each table must be, wherever it is stored. */
export function tableIdentity(engram: EngramConfig): Promise<Omit<TableIdentity, "format">[]> {
  const layout = buildLayout(engram);
  return Promise.all(
    hashConstants(layout).map(async (constants) => ({
      layerId: constants.layer,
      numRows: constants.rows,
      headDim: engram.headDim,
      digest: await hashConstantsDigest(constants),
    })),
  );
}

/** Whether the tables are laid out as DeepSeek-V4.1-Flash's are. */
export async function isReleasedLayout(
  files: TableFiles,
  { layerIds: [first] }: EngramConfig,
): Promise<boolean> {
  return first !== undefined && (await files.find(releasedTensorNames(first).codes)) !== undefined;
}

function findTable(files: TableFiles, layerId: number): Promise<LocatedTensor | undefined> {
  return files
    .find(tableName(layerId))
    .then((own) => own ?? files.find(releasedTensorNames(layerId).codes));
}

async function locateTensors(
  files: TableFiles,
  layer: LayerLayout,
  headDim: number,
): Promise<TableAtRest> {
  const { layerId, numRows } = layer;
  const codes = await findTable(files, layerId);
  const released = releasedTensorNames(layerId);
  const isReleased = codes?.name === released.codes;
  const name = codes && formatOfTable(codes.dtype);
  if (name === undefined || (isReleased && name !== "fp8"))
    throw new FormatError(
      `${files.path}: expected the table "${codes?.name ?? tableName(layerId)}" as ` +
        `${isReleased ? "F8_E4M3" : "F32, BF16, F8_E4M3, I8 or U8"}, ` +
        (codes === undefined ? "there is none" : `it is ${codes.dtype}`),
    );
  const format = rowFormat(name, headDim);
  const parts: LocatedPart[] = [];
  for (const [i, part] of tableParts(layerId, format).entries()) {
    const { dtype, columns, from, to } = part;
    const wanted = isReleased ? released[i === 0 ? "codes" : "scales"] : part.name;
    const expected = { name: wanted, dtypes: [dtype], shape: [numRows, columns] };
    parts.push({ tensor: checkTensor(files.path, await files.find(wanted), expected), from, to });
  }
  const useCodes = await findUseCodes(files, layer);
  return tableInFiles(files, { layerId, numRows, format, parts, useCodes });
}

/** A table whose rows are in tensors of the model. */
export function tableInFiles(
  files: TableFiles,
  table: Omit<TableAtRest, "open" | "tier">,
): TableAtRest {
  const { numRows, parts } = table;
  const open = async (): Promise<RowStore> => {
    const { rowsInRanges, SideBySideStore } = await readInPlace();
    const stores: RowStore[] = [];
    try {
      for (const { tensor, from, to } of parts) {
        const ranges = await files.openFile(tensor.file, { isRandom: true });
        stores.push(rowsInRanges(ranges, { numRows, rowBytes: to - from, offset: tensor.begin }));
      }
      return stores.length === 1 ? stores[0]! : new SideBySideStore(stores);
    } catch (error) {
      for (const store of stores) await store.close();
      throw error;
    }
  };
  return { ...table, tier: "disk", open };
}

export async function locateElsewhere(
  elsewhere: OpenElsewhere,
  {
    files,
    identity,
    local,
  }: {
    files: TableFiles;
    identity: Omit<TableIdentity, "format">;
    local?: TableAtRest | undefined;
  },
): Promise<TableAtRest | undefined> {
  const { layerId, numRows, headDim } = identity;
  const open = (): ReturnType<OpenElsewhere> =>
    elsewhere({ model: files.path, expected: identity });
  const opened = await open();
  if (opened === undefined) return undefined;
  const { store, format, tier = "remote" } = opened;
  try {
    if (local?.format.name === format) await compareSome(local, store);
  } finally {
    await store.close();
  }
  return {
    layerId: layerId!,
    numRows,
    format: rowFormat(format, headDim),
    tier,
    parts: [],
    useCodes: local?.useCodes,
    open: async () => (await open())!.store,
  };
}

/**
 * Rows that are compared when a table is opened from elsewhere. Another training run of the same model differs in
 * most rows.
 */
const SAMPLE_ROWS = 64;

async function compareSome(local: TableAtRest, store: RowStore): Promise<void> {
  const { numRows } = local;
  const count = Math.min(SAMPLE_ROWS, numRows);
  const rows = Uint32Array.from({ length: count }, (_, i) => Math.floor((i * numRows) / count));
  const own = await local.open();
  try {
    await compareRows(rows, { own, store, layerId: local.layerId });
  } finally {
    await own.close();
  }
}

/** Throws `FormatError` that names the first of `rows` that differs between `store` and `own`. */
export async function compareRows(
  rows: Uint32Array,
  { own, store, layerId }: { own: RowStore; store: RowStore; layerId: number },
): Promise<void> {
  const { rowBytes } = own;
  const [here, there] = [own, store].map(() => new Uint8Array(rows.length * rowBytes));
  await own.read(rows, here!);
  await store.read(rows, there!);
  const at = here!.findIndex((byte, i) => byte !== there![i]);
  if (at >= 0)
    throw new FormatError(
      `layer ${layerId}: row ${rows[Math.floor(at / rowBytes)]} is another one there than in the model's directory; ` +
        "the table there is another model's, or an older one: put it there again with engram table push",
    );
}

/** Wraps a store of a table. `name` says what the store is, `isOuter` that the model reads from it. */
export type WrapStore = (
  store: RowStore,
  place: { readonly layerId: number; readonly name: string; readonly isOuter: boolean },
) => RowStore;

export interface OpenTableOptions {
  /** Memory for this table's cache. Without it the whole table is read into RAM. */
  readonly cacheBytes: number | undefined;
  /** The part of the directory that reads whole tables. */
  readonly files: Pick<ModelFiles, "readRange">;
  readonly wrapStore: WrapStore;
  /** See `RamStoreOptions`. */
  readonly advise?: (buffer: ArrayBufferLike) => void;
}

/** Opens a table for a model. Closing its store closes all stores below it. */
export async function openTable(
  table: TableAtRest,
  { cacheBytes, wrapStore, ...options }: OpenTableOptions,
): Promise<RetrievalTable> {
  const { layerId, format, tier, useCodes } = table;
  const done = (store: RowStore, name: string): RetrievalTable => ({
    layerId,
    format,
    useCodes,
    store: wrapStore(store, { layerId, name, isOuter: true }),
  });
  if (cacheBytes === undefined) return done(await readWhole(table, options), "memory");
  const { cached, measured } = await readInPlace();
  const store = await table.open();
  try {
    const name = tier === "disk" ? "file" : tier;
    const below = wrapStore(measured(store, { tier }), { layerId, name, isOuter: false });
    return done(cached(below, { bytes: cacheBytes }), "cache");
  } catch (error) {
    await store.close();
    throw error;
  }
}

/** Bytes read at a time. */
const CHUNK_BYTES = 1 << 24;

async function readWhole(
  { numRows, format, parts }: TableAtRest,
  { files, advise }: Pick<OpenTableOptions, "files" | "advise">,
): Promise<SmallRamStore> {
  const { rowBytes } = format;
  // Most rows of a saved table are used, so huge pages waste little, and they halve the time of a read.
  const store = await openRamStore({ numRows, rowBytes, advise });
  const chunkRows = Math.min(numRows, Math.max(1, Math.floor(CHUNK_BYTES / rowBytes)));
  for (const { tensor, from, to } of parts) {
    const { name } = tensor;
    const width = to - from;
    const buffer = new Uint8Array(width === rowBytes ? 0 : chunkRows * width);
    for (const [s, segment] of store.segments.entries())
      for (let at = 0; at < segment.length; at += chunkRows * rowBytes) {
        const rows = Math.min(chunkRows, (segment.length - at) / rowBytes);
        const begin = (s * store.rowsPerSegment + at / rowBytes) * width;
        const end = begin + rows * width;
        if (width === rowBytes) {
          await files.readRange(name, {
            begin,
            end,
            into: segment.subarray(at, at + rows * rowBytes),
            isZeroed: true,
          });
          continue;
        }
        await files.readRange(name, { begin, end, into: buffer });
        // Some bytes a row: by loops, which cost less than a view of each.
        for (let i = 0; i < rows; i++)
          for (let k = 0; k < width; k++)
            segment[at + i * rowBytes + from + k] = buffer[i * width + k]!;
      }
  }
  return store;
}
