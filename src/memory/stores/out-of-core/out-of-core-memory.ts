/**
 * How an out-of-core table divides its memory: first the map of rows and the counts of their uses, then buffers, then
 * cached rows. Counts every array that grows with the table or the budget; knows no files.
 */
import { InvalidConfigError } from "../../../errors.ts";
import { USE_CODE_BYTES } from "../../row-use.ts";
import { RecordCache } from "./record-cache.ts";
import { checkLogSize } from "./row-log-format.ts";

export interface TableMemory {
  /** Rows that fit into memory. */
  readonly cacheRows: number;
  /** Bytes of one buffer, and of one segment of the log. */
  readonly ioBytes: number;
}

export interface TableMemoryPlan extends TableMemory {
  /** The map: four bytes for each row. */
  readonly mapBytes: number;
  /** The counts of uses, one byte for each row, which are kept beside the table. */
  readonly countBytes: number;
  readonly bufferBytes: number;
  readonly cacheBytes: number;
  /** The sum, at most what was allowed. */
  readonly totalBytes: number;
}

export interface TableMemoryRequest {
  readonly numRows: number;
  readonly rowBytes: number;
  /** Memory that the table may use. */
  readonly bytes: number;
  /** Rows that must fit: those of two steps. */
  readonly leastRows: number;
}

/** Buffers for a batch that is written, for its parts, and for a batch that is read (raw and sorted). */
const NUM_BUFFERS = 5;
const MOST_IO_BYTES = 2 ** 20;
const LEAST_IO_BYTES = 2 ** 14;
/** Each cache entry also has an element in the writer's list. */
const DUE_BYTES = 4;

/** Throws `InvalidConfigError`, with the numbers, where the rows of two steps do not fit. */
export function planTableMemory(request: TableMemoryRequest): TableMemoryPlan {
  const { numRows, rowBytes, bytes, leastRows } = request;
  checkLogSize({ numRows, rowBytes, recordsPerSegment: 1 });
  const mapBytes = 4 * numRows;
  const countBytes = USE_CODE_BYTES * numRows;
  const ioBytes = Math.max(
    LEAST_IO_BYTES,
    2 * (rowBytes + 8),
    Math.min(MOST_IO_BYTES, Math.floor(bytes / 64)),
  );
  const bufferBytes = NUM_BUFFERS * ioBytes;
  const perRow = rowBytes + RecordCache.extraBytes + DUE_BYTES;
  const fitting = Math.floor((bytes - mapBytes - countBytes - bufferBytes) / perRow);
  const least = Math.max(2, Math.min(numRows, leastRows));
  if (fitting < least) {
    const needed = mapBytes + countBytes + bufferBytes + least * perRow;
    throw new InvalidConfigError(
      `a table of ${numRows} rows of ${rowBytes} bytes needs at least ${mebibytes(needed)} MiB: ` +
        `${mebibytes(mapBytes)} for the map of rows, ${mebibytes(countBytes)} for the counts of their uses, ${mebibytes(bufferBytes)} for buffers, ` +
        `${mebibytes(least * perRow)} for ${least} rows (those of two steps); it may use ${mebibytes(bytes)} MiB`,
    );
  }
  const cacheRows = Math.max(2, Math.min(numRows, fitting));
  const cacheBytes = cacheRows * perRow;
  return {
    cacheRows,
    ioBytes,
    mapBytes,
    countBytes,
    bufferBytes,
    cacheBytes,
    totalBytes: mapBytes + countBytes + bufferBytes + cacheBytes,
  };
}

/** Rounded up, to one digit. */
function mebibytes(bytes: number): string {
  return (Math.ceil((bytes / 2 ** 20) * 10) / 10).toFixed(1);
}
