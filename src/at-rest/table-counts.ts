/**
 * The counts of how often training read each row, which are stored beside the table.
 * Knows the tensor and how to read it; `memory/row-use.ts` knows what a code stands for.
 */
import {
  checkTensor,
  ModelDirectory,
  type ModelFiles,
  type TensorSource,
} from "../checkpoint/index.ts";
import { type RetrievalTable, storesFrom, type UseCodes } from "../memory/index.ts";
import { layerName } from "../model/index.ts";

/** Tensor of a layer's use codes, [rows]. */
export function countsName(layerId: number): string {
  return layerName(layerId, "engram.counts");
}

/** The tensor with the counts; none where uses were not counted. */
export function countsSources({ layerId, store, useCodes }: RetrievalTable): TensorSource[] {
  if (useCodes === undefined) return [];
  return [{ name: countsName(layerId), dtype: "U8", shape: [store.numRows], chunks: useCodes }];
}

/** Bytes read at a time: about 50 us of work. */
const PIECE_BYTES = 65_536;

/**
 * The use codes of a table; undefined if the directory has none. Throws `FormatError` if they do not fit the table.
 * `files` may be closed afterwards: reading the codes opens the model again.
 */
export async function findUseCodes(
  files: Pick<ModelFiles, "path" | "source" | "find">,
  { layerId, numRows }: { readonly layerId: number; readonly numRows: number },
): Promise<UseCodes | undefined> {
  const name = countsName(layerId);
  const tensor = await files.find(name);
  if (tensor === undefined) return undefined;
  checkTensor(files.path, tensor, { name, dtypes: ["U8"], shape: [numRows] });
  return async function* () {
    await using again = await ModelDirectory.open(files.source);
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, numRows));
    for (let begin = 0; begin < numRows; begin += buffer.length) {
      const end = Math.min(numRows, begin + buffer.length);
      await again.readRange(name, { begin, end, into: buffer });
      yield buffer.subarray(0, end - begin);
    }
  };
}

/**
 * Fills the caches of `tables` in the background with the rows that training used most (`warm-caches.ts`). Never fails: a
 * cache that was not warmed is only slower, and the next read reports a store that cannot be read.
 */
export async function warmCaches(
  tables: readonly RetrievalTable[],
  signal: AbortSignal,
): Promise<void> {
  const cached = tables.filter(({ store }) => storesFrom(store).some(({ warm }) => warm));
  if (cached.length === 0) return;
  await import("./warm-caches.ts").then(({ warmAll }) => warmAll(cached, signal)).catch(() => {});
}
