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
import {
  checkTensor,
  type FileDType,
  type LocatedTensor,
  type ModelFiles,
  tensorSource,
  type TensorSource,
} from "../checkpoint/index.ts";
import {
  BLOCK_BYTES,
  checkDirectory,
  type CountedDirectory,
  type CountedTable,
  numContextsIn,
  rowFormat,
  type TableIdentity,
} from "../memory/index.ts";
import { countedTensors as names } from "./counts-when-needed.ts";
import { chunksOf } from "./row-chunks.ts";
import { locateElsewhere, type LocateOptions, type TableAtRest, tableInFiles } from "./tables.ts";

const blocks = rowFormat("f32", BLOCK_BYTES / 4);

/** The tensors of a counted memory: the table's, which may lie elsewhere, and the directory's. */
export function countedSources(table: CountedTable): [TensorSource[], TensorSource[]] {
  return countedSourcesOf(table, () => chunksOf(table.buckets));
}

/** The same of a directory, and of its buckets in whole blocks. */
export function countedSourcesOf(
  { offsets, unigrams, discounts }: CountedDirectory,
  chunks: TensorSource["chunks"],
): [TensorSource[], TensorSource[]] {
  const numBlocks = Math.ceil(offsets.at(-1)! / BLOCK_BYTES);
  const vector = (name: string, dtype: "U32" | "F64", data: Uint32Array | Float64Array) =>
    tensorSource({ name, dtype, shape: [data.length] }, data);
  return [
    [{ name: names.buckets, dtype: "U8", shape: [numBlocks, BLOCK_BYTES], chunks }],
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
  /** About how many contexts have a row. */
  readonly numContexts: number;
  /** Bytes of RAM that it takes besides its table. */
  readonly directoryBytes: number;
  /** Reads and checks it. Throws `FormatError`. */
  directory(): Promise<CountedDirectory>;
}

/** The most blocks that offsets of 32 bits reach into. */
const MOST_BLOCKS = 2 ** 32 / BLOCK_BYTES;

/** As `locateCounts` of `counts-when-needed.ts`, of a model that counts. */
export async function locateCounts(
  files: ModelFiles,
  { order, vocabSize, layerId }: { order: number; vocabSize: number; layerId: number },
  { elsewhere }: LocateOptions,
): Promise<CountsAtRest> {
  const find = async (name: string, dtype: FileDType, shape: number[]): Promise<LocatedTensor> =>
    checkTensor(files.path, await files.find(name), { name, dtypes: [dtype], shape });
  const numOffsets = (await files.find(names.offsets))?.shape[0] ?? 0;
  const tensors = [
    await find(names.offsets, "U32", [Math.max(numOffsets, vocabSize + 2)]),
    await find(names.unigrams, "U32", [vocabSize]),
    await find(names.discounts, "F64", [order]),
  ];
  const read = async (): Promise<CountedDirectory> => ({
    order,
    vocabSize,
    offsets: new Uint32Array((await files.read(names.offsets)).buffer),
    unigrams: new Uint32Array((await files.read(names.unigrams)).buffer),
    discounts: new Float64Array((await files.read(names.discounts)).buffer),
  });
  const inFiles = async (): Promise<TableAtRest> => {
    const blocksHere = (await files.find(names.buckets))?.shape[0] ?? 0;
    const numRows = Math.min(blocksHere, MOST_BLOCKS);
    const tensor = await find(names.buckets, "U8", [numRows, BLOCK_BYTES]);
    const parts = [{ tensor, from: 0, to: BLOCK_BYTES }];
    return tableInFiles(files, { layerId, numRows, format: blocks, parts, useCodes: undefined });
  };
  // Its sum says which table it is; otherwise it is read when the rest is known to be right, and fits.
  const early = elsewhere && (await read());
  const identity = early && (await countsIdentity(early, layerId));
  const there = identity && (await locateElsewhere(elsewhere!, { files, identity }));
  const table = there ?? (await inFiles());
  return {
    table,
    tensors: [...tensors, ...table.parts.map(({ tensor }) => tensor)],
    numContexts: vocabSize + numContextsIn(numOffsets - 1, vocabSize),
    // With its unigrams as chances beside the counts.
    directoryBytes: 4 * (numOffsets + 2 * vocabSize) + 8 * order,
    async directory() {
      const directory = early ?? (await read());
      checkDirectory(directory, table.numRows * BLOCK_BYTES);
      return directory;
    },
  };
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
