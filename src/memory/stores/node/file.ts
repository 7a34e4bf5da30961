/**
 * A table in a flat file, to read: row r lies at `offset + r * rowBytes`. Never answers short: a file that ends too
 * early is refused when it is opened, and named when it shrinks later. A header before `offset` is somebody else's
 * business.
 */
import { FormatError } from "../../../errors.ts";
import { checkTableSize, type RowStore } from "../../store.ts";
import { rowsInRanges } from "../rows-in-ranges.ts";
import { type FileOptions, openFileRanges } from "../../../bytes/node/index.ts";

export interface FileStoreOptions extends FileOptions {
  readonly rowBytes: number;
  /** Rows in the file; without it the whole file from `offset` on is rows. */
  readonly numRows?: number;
  /** Bytes before the first row. */
  readonly offset?: number;
}

/** Opens an existing file of rows. Throws `StoreError` or, for a file of another size, `FormatError`. */
export async function openFileStore(path: string, options: FileStoreOptions): Promise<RowStore> {
  const { rowBytes, offset = 0 } = options;
  checkTableSize({ numRows: options.numRows ?? 0, rowBytes });
  const ranges = await openFileRanges(path, options);
  try {
    const { size } = ranges;
    const numRows = options.numRows ?? (size - offset) / rowBytes;
    if (options.numRows === undefined && (numRows < 0 || !Number.isInteger(numRows)))
      throw new FormatError(
        `${path}: ${size} bytes are not a header of ${offset} and whole rows of ${rowBytes} bytes; ` +
          "the file is truncated or its rows have another size",
      );
    const needed = offset + numRows * rowBytes;
    if (size < needed)
      throw new FormatError(
        `${path}: ${numRows} rows of ${rowBytes} bytes from byte ${offset} on need ${needed} bytes, ` +
          `the file has ${size}; it is truncated`,
      );
    checkTableSize({ numRows, rowBytes });
    return rowsInRanges(ranges, { numRows, rowBytes, offset });
  } catch (error) {
    await ranges.close();
    throw error;
  }
}
