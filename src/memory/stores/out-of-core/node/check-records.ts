/**
 * Checks that a row log has every record that a map of rows refers to, in one sequential pass and bounded memory.
 * Reads only. Knows records; not where the map comes from.
 */
import { FormatError } from "../../../../errors.ts";
import { LOG_HEADER_BYTES, RecordBuffer, slotOffset } from "../row-log-format.ts";
import { openPositionalFile } from "./positional-file.ts";
import { RowLog } from "./row-log.ts";

/** Bytes read at a time. */
const PIECE_BYTES = 1 << 20;
/** Rows looked up at a time, when a record is missing, to name its row. */
const SEARCH_ROWS = 4096;

/**
 * `slots`: for each row the slot of its record, 0 for none. Throws `FormatError` that names the first row whose
 * record is missing.
 */
export async function checkRecords(
  log: RowLog,
  slots: Uint32Array,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const { recordBytes, path } = log;
  const numSlots = Math.floor(((await log.size()) - LOG_HEADER_BYTES) / recordBytes);
  let wanted = 0;
  let last = 0;
  for (let row = 0; row < slots.length; row++) {
    const slot = slots[row]!;
    if (slot === 0) continue;
    if (slot > numSlots)
      throw new FormatError(
        `${path}: the checkpoint has row ${row} in record ${slot}, the log ends after record ` +
          `${numSlots}; it was cut, or is not the checkpoint's`,
      );
    wanted++;
    last = Math.max(last, slot);
  }
  const perPiece = Math.max(1, Math.floor(PIECE_BYTES / recordBytes));
  const records = new RecordBuffer(new Uint8Array(perPiece * recordBytes), recordBytes);
  let found = 0;
  for (let first = 1; first <= last; first += perPiece) {
    signal?.throwIfAborted();
    const count = Math.min(perPiece, last - first + 1);
    await log.readRun(first, records.bytes.subarray(0, count * recordBytes));
    for (let i = 0; i < count; i++) {
      const row = records.rowAt(i * recordBytes);
      if (row >= 0 && row < slots.length && slots[row] === first + i) found++;
    }
  }
  if (found < wanted) await refuseFirstMissing(log, slots);
}

/** As `checkRecords`, for the log at `path`. Also throws `FormatError` if it is another log. */
export async function checkRowLog(
  path: string,
  { identity, slots }: { readonly identity: Uint8Array; readonly slots: Uint32Array },
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const file = await openPositionalFile(path, { isReadOnly: true });
  try {
    const log = await RowLog.open(path, file, { numRows: slots.length, bufferBytes: PIECE_BYTES });
    checkIdentity(log, identity);
    await checkRecords(log, slots, options);
  } finally {
    await file.close();
  }
}

/** Throws `FormatError` for the log of another run, or one that was created again. */
export function checkIdentity({ path, spec }: RowLog, identity: Uint8Array): void {
  if (Buffer.compare(spec.identity, identity) === 0) return;
  throw new FormatError(
    `${path} is not the row log that this checkpoint belongs to; it was written anew since`,
  );
}

async function refuseFirstMissing(log: RowLog, slots: Uint32Array): Promise<never> {
  const { recordBytes, path } = log;
  const rows = new Uint32Array(SEARCH_ROWS);
  const asked = new Uint32Array(SEARCH_ROWS);
  for (let next = 0; next < slots.length;) {
    let count = 0;
    for (; next < slots.length && count < SEARCH_ROWS; next++) {
      if (slots[next] === 0) continue;
      asked[count] = slots[next]!;
      rows[count++] = next;
    }
    const isThere = new Uint8Array(count);
    await log.read({
      slots: asked,
      count,
      deliver: (index, row) => void (isThere[index] = Number(row === rows[index])),
    });
    const index = isThere.indexOf(0);
    if (index < 0) continue;
    const begin = slotOffset(asked[index]!, recordBytes);
    throw new FormatError(
      `${path}: expected row ${rows[index]} and its checksum in bytes ${begin} to ${begin + recordBytes - 1}, found ` +
        "something else; the log is damaged",
    );
  }
  throw new FormatError(`${path}: two rows have one record; the map or the log is damaged`);
}
