/**
 * How counted memory is stored in a model directory, and how it is found there. The rows of its buckets are a table like
 * others, which may be read from its file, through a cache, from RAM or from elsewhere; its directory is read whole.
 * (`memory/counted/counted-table.ts` says what is in them, docs/format.md too.)
 *
 *     memory_counts.buckets    U8  [blocks, 64]
 *     memory_counts.offsets    U32 [buckets + 1]
 *     memory_counts.unigrams   U32 [V]
 *     memory_counts.discounts  F64 [order]
 *
 * Elsewhere its table is that of the layer behind the last, of rows of 16 numbers of 32 bits, which nobody reads as such.
 * What it has for hash constants is the sum of its directory: with other buckets, that would lead to other rows.
 */
import { type LocatedTensor, tensorSource, type TensorSource } from "../checkpoint/index.ts";
import { FormatError } from "../errors.ts";
import {
  BLOCK_BYTES,
  checkDirectory,
  type CountedDirectory,
  type CountedTable,
  rowFormat,
  type TableIdentity,
} from "../memory/index.ts";
import type { ModelConfig } from "../model/index.ts";
import { chunksOf } from "./row-chunks.ts";
import {
  checkTensor,
  locateElsewhere,
  type LocateOptions,
  type TableAtRest,
  type TableFiles,
  tableInFiles,
} from "./tables.ts";

const names = {
  buckets: "memory_counts.buckets",
  offsets: "memory_counts.offsets",
  unigrams: "memory_counts.unigrams",
  discounts: "memory_counts.discounts",
} as const;

const blocks = rowFormat("f32", BLOCK_BYTES / 4);

/** All tensors of a counted memory; the first is its table's. */
export const countedNames: readonly string[] = Object.values(names);

/** The tensors of a counted memory: the table's, which may lie elsewhere, and the directory's. */
export function countedSources(table: CountedTable): [TensorSource[], TensorSource[]] {
  const { buckets, offsets, unigrams, discounts } = table;
  const vector = (name: string, dtype: "U32" | "F64", data: Uint32Array | Float64Array) =>
    tensorSource({ name, dtype, shape: [data.length] }, data);
  return [
    [
      {
        name: names.buckets,
        dtype: "U8",
        shape: [buckets.numRows, BLOCK_BYTES],
        chunks: () => chunksOf(buckets),
      },
    ],
    [
      vector(names.offsets, "U32", offsets),
      vector(names.unigrams, "U32", unigrams),
      vector(names.discounts, "F64", discounts),
    ],
  ];
}

/** A counted memory that is not yet open. */
export interface CountsAtRest {
  readonly table: TableAtRest;
  readonly tensors: readonly LocatedTensor[];
  /** Bytes of RAM that it takes besides its table. */
  readonly directoryBytes: number;
  /** Reads and checks it. Throws `FormatError`. */
  directory(): Promise<CountedDirectory>;
}

/** The most blocks that offsets of 32 bits reach into. */
const MOST_BLOCKS = 2 ** 32 / BLOCK_BYTES;

/**
 * Finds a model's counted memory; undefined if it has none. Reads headers only, unless the table is elsewhere. Throws
 * `FormatError` where a tensor is missing or not what the configuration says.
 */
export async function locateCounts(
  files: TableFiles & CanRead,
  { counted, vocabSize, numLayers: layerId }: ModelConfig,
  { elsewhere }: LocateOptions = {},
): Promise<CountsAtRest | undefined> {
  if (counted === undefined) return undefined;
  const { order } = counted;
  const find = async (name: string): Promise<LocatedTensor> => {
    const tensor = await files.find(name);
    if (tensor === undefined)
      throw new FormatError(`${files.path}: the counted memory's tensor "${name}" is missing`);
    return tensor;
  };
  const offsets = await find(names.offsets);
  const numOffsets = offsets.shape[0] ?? 0;
  checkTensor(files, offsets, { dtype: "U32", shape: [Math.max(numOffsets, vocabSize + 2)] });
  const unigrams = await find(names.unigrams);
  checkTensor(files, unigrams, { dtype: "U32", shape: [vocabSize] });
  const discounts = await find(names.discounts);
  checkTensor(files, discounts, { dtype: "F64", shape: [order] });
  const directory = async (): Promise<CountedDirectory> => {
    const read = async ({ name }: LocatedTensor): Promise<ArrayBuffer> =>
      (await files.read(name)).buffer;
    const found = {
      order,
      vocabSize,
      offsets: new Uint32Array(await read(offsets)),
      unigrams: new Uint32Array(await read(unigrams)),
      discounts: new Float64Array(await read(discounts)),
    };
    checkDirectory(found, MOST_BLOCKS * BLOCK_BYTES);
    return found;
  };
  const inFiles = async (): Promise<TableAtRest> => {
    const tensor = await find(names.buckets);
    const numRows = Math.min(tensor.shape[0] ?? 0, MOST_BLOCKS);
    checkTensor(files, tensor, { dtype: "U8", shape: [numRows, BLOCK_BYTES] });
    const parts = [{ tensor, from: 0, to: BLOCK_BYTES }];
    return tableInFiles(files, { layerId, numRows, format: blocks, parts, useCodes: undefined });
  };
  const there =
    elsewhere &&
    (await locateElsewhere(elsewhere, {
      files,
      identity: await countsIdentity(await directory(), layerId),
      local: undefined,
    }));
  const table = there ?? (await inFiles());
  const tensors = [offsets, unigrams, discounts, ...table.parts.map(({ tensor }) => tensor)];
  return {
    table,
    tensors,
    // With its unigrams as chances beside the counts.
    directoryBytes: 4 * (numOffsets + 2 * vocabSize) + 8 * order,
    async directory() {
      const found = await directory();
      checkDirectory(found, table.numRows * BLOCK_BYTES);
      return found;
    },
  };
}

interface CanRead {
  read(name: string): Promise<Uint8Array<ArrayBuffer>>;
}

/** What the table must be, wherever it is stored. */
export async function countsIdentity(
  { order, offsets, unigrams, discounts }: CountedDirectory,
  layerId: number,
): Promise<TableIdentity> {
  const last = offsets[offsets.length - 1]!;
  const parts = [Uint32Array.of(order), discounts, unigrams, offsets];
  const bytes = new Uint8Array(parts.reduce((size, { byteLength }) => size + byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of parts) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  const sum = await crypto.subtle.digest("SHA-256", bytes);
  return {
    format: blocks.name,
    headDim: blocks.headDim,
    numRows: Math.ceil(last / BLOCK_BYTES),
    layerId,
    digest: new Uint8Array(sum),
  };
}
