/**
 * Bytes that are read by range, and rows that lie in them one after another. What carries the bytes (a file, a web
 * server) is whoever implements `ByteRanges`; what rows hold, and whether they are right, is somebody else's business.
 */
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
  close(): Promise<void>;
}

/** Rows back to back from byte `offset` on. Owns `ranges`. */
export function rowsInRanges(
  ranges: ByteRanges,
  { numRows, rowBytes, offset }: Pick<RowStore, "numRows" | "rowBytes"> & { offset: number },
): RowStore {
  const readRun = async (run: RowRun, into: Uint8Array): Promise<void> => {
    const bytes = new Uint8Array((run.lastRow + 1 - run.firstRow) * rowBytes);
    await ranges.read(offset + run.firstRow * rowBytes, bytes);
    dealOutRun(run, bytes, { into, rowBytes });
  };
  return {
    numRows,
    rowBytes,
    async read(rows, into): Promise<void> {
      checkRead({ numRows, rowBytes }, rows, into);
      await serveRuns(
        rowRuns(rows, {
          rowBytes,
          maxGapBytes: ranges.maxGapBytes,
          maxCallBytes: ranges.maxCallBytes,
        }),
        {
          maxInFlight: ranges.maxInFlight,
          serve: (run) => readRun(run, into),
        },
      );
    },
    close: () => ranges.close(),
  };
}
