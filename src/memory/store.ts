/**
 * Rows of a table by id. A store knows nothing of tokens, hashes, number formats or tensors: ids in,
 * bytes out. Everything else (cache, overlay, meter) is another store around one of these.
 */
import { InvalidConfigError, StoreError } from "../errors.ts";
import type { RowCounts } from "./stores/cache/cache-options.ts";
import type { StoreReport } from "./tiers.ts";

/**
 * Rows by id. Implementations must pass `storeConformance`.
 *
 * A read that begins after a write has resolved finds what was written, through every store around this one, too. A
 * read that is under way while one of its rows is written gets that row as it was or as it will be, whole. Of writes of
 * one row under way together one is what remains. After a write that failed each of its rows is as before or as written.
 */
export interface RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  /**
   * Fills the first `rows.length * rowBytes` bytes of `into`, in the order of `rows` (repeats
   * allowed), or throws `StoreError` and leaves no promise about `into`. Never short, never wrong.
   */
  read(rows: Uint32Array, into: Uint8Array): Promise<void>;
  /**
   * As `read`, where that takes no waiting, and true; or false, with nothing started and no promise about `into`.
   * A store without it always has to wait.
   */
  readNow?(rows: Uint32Array, into: Uint8Array): boolean;
  /** A hint that `rows` will be read soon. Dropping it changes speed, never results. */
  prefetch?(rows: Uint32Array): void;
  /** Takes in the most used of these rows, as many as there is room for. Only caches have it. */
  warm?(used: RowCounts): Promise<void>;
  /** Writes `rows.length` rows from the start of `from`. Ids must not repeat. A store without it can only be read. */
  write?(rows: Uint32Array, from: Uint8Array): Promise<void>;
  /** The store that this one stands around. */
  readonly inner?: RowStore;
  /** What it is, and what it did since it was made. A store without it only passes on. */
  report?(): StoreReport;
  close(): Promise<void>;
}

/** Rows by id, to read and write. */
export type WritableRowStore = RowStore & Required<Pick<RowStore, "write">>;

/** What a store around `Store` can do besides reading. */
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
