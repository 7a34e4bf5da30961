/**
 * Bytes that are read by range, and rows that lie in them one after another. What carries the bytes (a file, a web
 * server) is whoever implements `ByteRanges`; what rows hold, and whether they are right, is somebody else's business.
 */
import { StoreError } from "../../errors.ts";
import { checkRead, type RowStore } from "../store.ts";
import { dealOutRun, type RowRun, type RowRunLimits, rowRuns, serveRuns } from "./row-runs.ts";

export interface ByteRanges extends Omit<RowRunLimits, "rowBytes"> {
  /** For messages: without passwords, keys and signatures. */
  readonly name: string;
  readonly size: number;
  /** Calls under way at once. */
  readonly maxInFlight: number;
  /** Fills `into` with the bytes from `begin` on, or throws `StoreError`. Never short. */
  read(begin: number, into: Uint8Array): Promise<void>;
  /** As `read`, where that takes no waiting, and true; or false, and no promise about `into`. */
  readNow?(begin: number, into: Uint8Array): boolean;
  close(): Promise<void>;
}

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
