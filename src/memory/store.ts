/**
 * Rows of a table by id. A store knows nothing of tokens, hashes, number formats or tensors: ids in, bytes out.
 * Everything else (cache, meter) is a store that wraps another one.
 */
import { InvalidConfigError, StoreError } from "../errors.ts";
import type { RowCounts } from "./stores/cache/cache-options.ts";
import type { StoreReport } from "./tiers.ts";

/**
 * Rows by id. Implementations must pass `storeConformance`.
 *
 * A read that begins after a write has resolved returns what was written. That holds through every wrapper, too. A
 * read that overlaps a write of one of its rows returns the old or the new row, whole. Of overlapping writes of one
 * row, one wins. After a write that failed, each of its rows is the old or the new one.
 */
export interface RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  /**
   * Fills the first `rows.length * rowBytes` bytes of `into`, in the order of `rows` (repeats allowed), or throws
   * `StoreError`; the contents of `into` are then undefined. Never short, never wrong.
   */
  read(rows: Uint32Array, into: Uint8Array): Promise<void>;
  /**
   * As `read`, but only without waiting: returns true if it could. Otherwise returns false, starts nothing, and
   * leaves the contents of `into` undefined. A store without it always waits.
   */
  readNow?(rows: Uint32Array, into: Uint8Array): boolean;
  /** A hint that `rows` will be read soon. It changes speed, never results. */
  prefetch?(rows: Uint32Array): void;
  /** Loads the most used of these rows, as many as fit. Only caches have it. */
  warm?(used: RowCounts): Promise<void>;
  /** Writes `rows.length` rows from the start of `from`. Ids must not repeat. A store without it can only be read. */
  write?(rows: Uint32Array, from: Uint8Array): Promise<void>;
  /** The store that this one wraps. */
  readonly inner?: RowStore;
  /** What the store is, and what it has done since it was made. A store without it only forwards calls. */
  report?(): StoreReport;
  close(): Promise<void>;
}

/** Rows by id, to read and write. */
export type WritableRowStore = RowStore & Required<Pick<RowStore, "write">>;

/** What a wrapper of `Store` can do besides reading. */
export type WriteOf<Store> = Store extends WritableRowStore ? WritableRowStore : unknown;

type TableSize = Pick<RowStore, "numRows" | "rowBytes">;

/** Refuses tables that 32-bit row ids cannot address. */
export function checkTableSize({ numRows, rowBytes }: TableSize): void {
  if (!Number.isInteger(numRows) || numRows < 0 || numRows > 2 ** 32 - 1)
    throw new InvalidConfigError(`a table has 0..${2 ** 32 - 1} rows, got ${numRows}`);
  if (!Number.isInteger(rowBytes) || rowBytes < 1)
    throw new InvalidConfigError(`a row has a positive number of bytes, got ${rowBytes}`);
}

/** The check every store's `read` starts with. */
export function checkRead(table: TableSize, rows: Uint32Array, into: Uint8Array): void {
  checkRows(table, rows);
  const bytes = rows.length * table.rowBytes;
  if (into.length < bytes)
    throw new StoreError(
      `${rows.length} rows of ${table.rowBytes} bytes need ${bytes} bytes, got room for ${into.length}`,
    );
}

/** The check every store's `write` starts with. */
export function checkWrite(table: TableSize, rows: Uint32Array, from: Uint8Array): void {
  checkRows(table, rows);
  const bytes = rows.length * table.rowBytes;
  if (from.length < bytes)
    throw new StoreError(
      `${rows.length} rows of ${table.rowBytes} bytes are ${bytes} bytes, got ${from.length}`,
    );
}

/** The first half of both: every row is one of the table's. */
export function checkRows({ numRows }: TableSize, rows: Uint32Array): void {
  for (let i = 0; i < rows.length; i++)
    if (rows[i]! >= numRows)
      throw new StoreError(
        `row ${rows[i]} (number ${i} of ${rows.length}) is outside the table of ${numRows} rows`,
      );
}
