/**
 * How often training asked for each row, beside the table in a model directory; and caches warmed with it. Knows the
 * tensor's name and how to read it; what a code stands for is `memory/row-use.ts`'s business.
 */
import { ModelDirectory, type TensorSource } from "../checkpoint/node/index.ts";
import { FormatError } from "../errors.ts";
import { hottestRows, type RetrievalTable, storesFrom, type UseCodes } from "../memory/index.ts";
import { layerName } from "../model/index.ts";

/** Tensor of a layer's use codes, [rows]. */
export function countsName(layerId: number): string {
  return layerName(layerId, "engram.counts");
}

/** What goes into a table's file beside its rows; nothing where uses were not counted. */
export function countsSources({ layerId, store, useCodes }: RetrievalTable): TensorSource[] {
  if (useCodes === undefined) return [];
  return [{ name: countsName(layerId), dtype: "U8", shape: [store.numRows], chunks: useCodes }];
}

/** Bytes read at a time: some 50 us of going through them. */
const PIECE_BYTES = 65_536;

/**
 * The use codes of a table; undefined in directories without. Throws `FormatError` where they are not the table's.
 * `files` may be closed afterwards: whoever reads the codes opens the directory again.
 */
export async function findUseCodes(
  files: Pick<ModelDirectory, "path" | "find">,
  { layerId, numRows }: { readonly layerId: number; readonly numRows: number },
): Promise<UseCodes | undefined> {
  const name = countsName(layerId);
  const tensor = await files.find(name);
  if (tensor === undefined) return undefined;
  const { dtype, shape } = tensor;
  if (dtype !== "U8" || shape.length !== 1 || shape[0] !== numRows)
    throw new FormatError(
      `${files.path}: tensor "${name}" should be U8 [${numRows}], a code for each row of the table, ` +
        `it is ${dtype} [${shape.join(", ")}]`,
    );
  return async function* () {
    await using again = await ModelDirectory.open(files.path);
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, numRows));
    for (let begin = 0; begin < numRows; begin += buffer.length) {
      const end = Math.min(numRows, begin + buffer.length);
      await again.readRange(name, { begin, end, into: buffer });
      yield buffer.subarray(0, end - begin);
    }
  };
}

/**
 * Rows read at a time while warming: what a read that comes meanwhile may find before it in the disk's queue. As
 * many as hints have under way (`memory/stores/cache/cached.ts`).
 */
const SLICE_ROWS = 16;

/**
 * Fills the caches of `tables` with the rows used most in training, hottest first, while others read: their reads go
 * first, and this thread is given back after every few rows. Never fails: a store that cannot be read is named by
 * the next read that needs it, and a cache that was not warmed is only slower.
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
        // Whoever opened the model comes first.
        await othersTurn(signal);
        const codes = untilAborted(useCodes, signal);
        const options = { most, sliceRows: SLICE_ROWS };
        for await (const slice of hottestRows(codes, options)) {
          await cache.warm!(slice);
          await othersTurn(signal);
        }
      } catch {
        // Closed meanwhile, or unreadable: see above.
      }
    }),
  );
}

/** Lets everything run that waits to. */
async function othersTurn(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => void setImmediate(resolve));
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
