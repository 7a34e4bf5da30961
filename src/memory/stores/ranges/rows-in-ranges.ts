/**
 * A store of rows that lie back to back in byte ranges. Does not check what rows hold.
 */
import type { ByteRanges } from "../../../bytes/index.ts";
import { StoreError } from "../../../errors.ts";
import { checkRead, type RowStore } from "../../store.ts";
import { dealOutRun, type RowRun, rowRuns, serveRuns } from "./row-runs.ts";

/** Rows back to back from byte `offset` on. Owns `ranges`. */
export function rowsInRanges(
  ranges: ByteRanges,
  { numRows, rowBytes, offset }: Pick<RowStore, "numRows" | "rowBytes"> & { offset: number },
): RowStore {
  const readRun = async (run: RowRun, into: Uint8Array): Promise<void> => {
    const bytes = new Uint8Array((run.lastRow + 1 - run.firstRow) * rowBytes);
    await ranges.read(offset + run.firstRow * rowBytes, bytes).catch((cause: unknown) => {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new StoreError(`cannot read rows ${run.firstRow}..${run.lastRow}: ${reason}`, {
        cause,
      });
    });
    dealOutRun(run, bytes, { into, rowBytes });
  };
  const { maxGapBytes, maxCallBytes, maxInFlight } = ranges;
  const store: RowStore = {
    numRows,
    rowBytes,
    async read(rows, into): Promise<void> {
      checkRead({ numRows, rowBytes }, rows, into);
      await serveRuns(rowRuns(rows, { rowBytes, maxGapBytes, maxCallBytes }), {
        maxInFlight,
        serve: (run) => readRun(run, into),
      });
    },
    close: () => ranges.close(),
  };
  if (ranges.readNow === undefined) return store;
  return {
    ...store,
    readNow(rows, into): boolean {
      checkRead({ numRows, rowBytes }, rows, into);
      for (let i = 0; i < rows.length; i++) {
        const place = into.subarray(i * rowBytes, (i + 1) * rowBytes);
        if (!ranges.readNow!(offset + rows[i]! * rowBytes, place)) return false;
      }
      return true;
    },
  };
}
