/**
 * The counts of how often training read each row, which are stored beside the table, and cache warming with them.
 * Knows the tensor and how to read it; `memory/row-use.ts` knows what a code stands for.
 */
import {
  checkTensor,
  ModelDirectory,
  type ModelFiles,
  type TensorSource,
} from "../checkpoint/index.ts";
import { readInPlace, type RetrievalTable, storesFrom, type UseCodes } from "../memory/index.ts";
import { layerName } from "../model/index.ts";
import { nextTurn } from "../next-turn.ts";

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
 * Rows read at a time while warming. A read that arrives meanwhile has at most these before it in the disk's queue.
 * As many as hints have in flight (`memory/stores/cache/cached.ts`).
 */
const SLICE_ROWS = 16;

/**
 * Fills the caches of `tables` in the background with the rows that training used most. Other reads go first, and the
 * thread is yielded after every few rows. Never fails: a cache that was not warmed is only slower, and the next read
 * reports a store that cannot be read.
 */
export async function warmCaches(
  tables: readonly RetrievalTable[],
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(
    tables.map(async ({ store, useCodes }) => {
      const cache = storesFrom(store).find(({ warm }) => warm !== undefined);
      const most = cache?.report?.().cache?.capacityRows;
      if (cache === undefined || most === undefined || useCodes === undefined) return;
      try {
        // The caller that opened the model goes first.
        await othersTurn(signal);
        const { hottestRows } = await readInPlace();
        const codes = untilAborted(useCodes, signal);
        const options = { most, sliceRows: SLICE_ROWS };
        for await (const slice of hottestRows(codes, options)) {
          await cache.warm!(slice);
          await othersTurn(signal);
        }
      } catch {
        // The store was closed meanwhile, or cannot be read: see above.
      }
    }),
  );
}

/** Yields the thread. */
async function othersTurn(signal: AbortSignal): Promise<void> {
  await nextTurn();
  signal.throwIfAborted();
}

function untilAborted(codes: UseCodes, signal: AbortSignal): UseCodes {
  return async function* () {
    for await (const piece of codes()) {
      signal.throwIfAborted();
      yield piece;
    }
  };
}
