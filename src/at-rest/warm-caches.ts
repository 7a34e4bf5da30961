/** Fills caches with the rows that training used most. Loaded for tables with a cache; knows no file. */
import { readInPlace, type RetrievalTable, storesFrom, type UseCodes } from "../memory/index.ts";
import { nextTurn } from "../next-turn.ts";

/**
 * Rows read at a time while warming. A read that arrives meanwhile has at most these before it in the disk's queue.
 * As many as hints have in flight (`memory/stores/cache/cached.ts`).
 */
const SLICE_ROWS = 16;

/** Other reads go first, and the thread is yielded after every few rows. */
export async function warmAll(
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
