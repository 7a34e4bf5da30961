/**
 * A wrapper in which some rows read as zeros, for ablations. Rows of zeros are zero bytes in every row format. Knows
 * rows, not their orders or heads. Closing it does not close the inner store, which has another owner.
 */
import { InvalidConfigError, StoreError } from "../../../errors.ts";
import type { RowStore } from "../../store.ts";

export interface ZeroedRows {
  /** Ranges begin..end-1 of rows. */
  readonly ranges?: readonly { readonly begin: number; readonly end: number }[];
  /** Single rows. */
  readonly rows?: Iterable<number>;
}

export function zeroed(inner: RowStore, { ranges = [], rows = [] }: ZeroedRows): RowStore {
  const { numRows, rowBytes } = inner;
  const single = new Set(rows);
  for (const row of single)
    if (!Number.isInteger(row) || row < 0 || row >= numRows)
      throw new InvalidConfigError(`row ${row} is outside the table of ${numRows} rows`);
  const isZeroed = (row: number): boolean =>
    single.has(row) || ranges.some(({ begin, end }) => row >= begin && row < end);
  let isClosed = false;
  return {
    numRows,
    rowBytes,
    async read(wanted, into) {
      if (isClosed) throw new StoreError("this view of a store is closed; make another");
      await inner.read(wanted, into);
      for (const [i, row] of wanted.entries())
        if (isZeroed(row)) into.fill(0, i * rowBytes, (i + 1) * rowBytes);
    },
    prefetch: (wanted) => inner.prefetch?.(wanted),
    async close() {
      isClosed = true;
    },
  };
}
