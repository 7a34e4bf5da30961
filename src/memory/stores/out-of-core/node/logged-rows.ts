/**
 * The rows of a checkpoint, read from their row log: a map has the slot of each row's record. Read only. Every record
 * is checked; one that is damaged, or has another row, fails the read. Knows no checkpoint: `checkKept` says whether
 * the records are still kept.
 */
import { StoreError } from "../../../../errors.ts";
import { RowDeduper } from "../../../dedupe.ts";
import { checkRead, checkTableSize, type RowStore } from "../../../store.ts";
import { checkIdentity } from "./check-records.ts";
import { openPositionalFile } from "./positional-file.ts";
import { RowLog } from "./row-log.ts";

export interface LoggedRowsOptions {
  readonly identity: Uint8Array;
  /** For each row the slot of its record, 0 for a row of zeros. */
  readonly slots: Uint32Array;
  /** Bytes of a row: the first ones of its record. */
  readonly rowBytes: number;
  /** Throws if records may have been overwritten by now. Called after each read of the log. */
  readonly checkKept: () => Promise<void>;
}

/** Memory of all reads in flight. */
const BUFFER_BYTES = 2 ** 20;
/** Records read at a time. */
const BATCH_ROWS = 2 ** 16;

/** Throws `FormatError` for a file that is not the log, `StoreError` for one that cannot be opened. */
export async function openLoggedRows(
  path: string,
  { identity, slots, rowBytes, checkKept }: LoggedRowsOptions,
): Promise<RowStore> {
  const numRows = slots.length;
  checkTableSize({ numRows, rowBytes });
  const file = await openPositionalFile(path, { isReadOnly: true });
  let log: RowLog;
  try {
    log = await RowLog.open(path, file, { numRows, bufferBytes: BUFFER_BYTES });
    checkIdentity(log, identity);
    if (log.spec.rowBytes < rowBytes)
      throw new StoreError(
        `${path}: expected rows of at least ${rowBytes} bytes, it has ${log.spec.rowBytes}`,
      );
  } catch (error) {
    await file.close();
    throw error;
  }
  const deduper = new RowDeduper();
  let isClosed = false;
  let turn: Promise<unknown> = Promise.resolve();

  async function readRows(rows: Uint32Array, into: Uint8Array): Promise<void> {
    const { unique, index } = deduper.dedupe(rows);
    const bytes = new Uint8Array(unique.length * rowBytes);
    const logged = unique.filter((row) => slots[row] !== 0);
    const indices = new Map(Array.from(unique, (row, i) => [row, i]));
    for (let from = 0; from < logged.length; from += BATCH_ROWS) {
      const batch = logged.subarray(from, from + BATCH_ROWS);
      const missing = new Set(batch);
      await log.read({
        slots: batch.map((row) => slots[row]!),
        count: batch.length,
        deliver: (i, row, record, at) => {
          if (row !== batch[i]) return;
          bytes.set(record.subarray(at, at + rowBytes), indices.get(row)! * rowBytes);
          missing.delete(row);
        },
      });
      await checkKept();
      for (const row of missing)
        throw new StoreError(`${path}: the record of row ${row} is damaged; nothing was returned`);
    }
    for (let i = 0; i < rows.length; i++) {
      const at = index[i]! * rowBytes;
      into.set(bytes.subarray(at, at + rowBytes), i * rowBytes);
    }
  }

  return {
    numRows,
    rowBytes,
    async read(rows, into): Promise<void> {
      checkRead({ numRows, rowBytes }, rows, into);
      if (isClosed) throw new StoreError(`the store of ${path} was closed; open it again`);
      const own = rows.slice();
      // One read at a time: the log has one set of buffers.
      const done = turn.then(() => readRows(own, into));
      turn = done.catch(() => undefined);
      await done;
    },
    async close(): Promise<void> {
      if (isClosed) return;
      isClosed = true;
      await turn;
      await log.close();
    },
  };
}
