/**
 * Converts the rows of a table to another format, as a stream in row order, so that memory never holds the table
 * twice. Rows with numbers that are not finite are refused, so that a damaged table is not passed on. Knows no files:
 * the caller writes the chunks.
 */
import { checkRowValues } from "./finite-rows.ts";
import { type RowFormatName, rowFormat } from "./row-format.ts";
import type { RetrievalTable } from "./retrieval.ts";

/** Rows converted at a time: about a megabyte before and after. */
const CHUNK_ROWS = 8192;

export interface ConvertedPart {
  /** Bytes of each row to return, `from` inclusive, `to` exclusive. Default: the whole row. */
  readonly from?: number;
  readonly to?: number;
}

/** Bytes `from`..`to` of every row in the format `targetName`. A chunk is valid until the next is asked for. */
export async function* convertedRows(
  { layerId, store, format }: RetrievalTable,
  targetName: RowFormatName,
  part: ConvertedPart = {},
): AsyncGenerator<Uint8Array> {
  const target = rowFormat(targetName, format.headDim);
  const { from = 0, to = target.rowBytes } = part;
  const width = to - from;
  const ids = new Uint32Array(CHUNK_ROWS);
  const stored = new Uint8Array(CHUNK_ROWS * format.rowBytes);
  const values = new Float32Array(CHUNK_ROWS * format.headDim);
  const converted = new Uint8Array(CHUNK_ROWS * target.rowBytes);
  const narrow = new Uint8Array(CHUNK_ROWS * width);
  for (let first = 0; first < store.numRows; first += CHUNK_ROWS) {
    const count = Math.min(CHUNK_ROWS, store.numRows - first);
    for (let i = 0; i < count; i++) ids[i] = first + i;
    const some = values.subarray(0, count * format.headDim);
    await store.read(ids.subarray(0, count), stored);
    format.decode(stored, some);
    checkRowValues({ layerId, format }, ids, some);
    if (target.name === format.name) converted.set(stored.subarray(0, count * format.rowBytes));
    else target.encode(some, converted);
    if (width === target.rowBytes) yield converted.subarray(0, count * width);
    else {
      for (let i = 0; i < count; i++) {
        const at = i * target.rowBytes;
        narrow.set(converted.subarray(at + from, at + to), i * width);
      }
      yield narrow.subarray(0, count * width);
    }
  }
}
