/**
 * A sealed out-of-core table as a store for reading from the first row to the last. A window of rows is read into a
 * buffer in log order, so that the disk reads sequentially. Reading in another order works, but is slow. Returns only
 * the first part of each row.
 */
import { checkRead, type RowStore } from "../../../store.ts";
import type { OutOfCoreTable } from "./out-of-core-table.ts";

/** Ids, slots, indices and sorting keys of a window, for each of its rows. */
const EXTRA_BYTES = 32;
const MOST_ROWS: number = 2 ** 22;

export function rowsInOrder(
  table: OutOfCoreTable,
  { rowBytes, bytes }: { readonly rowBytes: number; readonly bytes: number },
): RowStore {
  const { numRows } = table;
  const windowRows = Math.min(
    numRows,
    MOST_ROWS,
    Math.max(1, Math.floor(bytes / (rowBytes + EXTRA_BYTES))),
  );
  const window = new Uint8Array(windowRows * rowBytes);
  let first = 0;
  let end = 0;
  async function load(row: number): Promise<void> {
    // The window is empty until it is complete.
    end = 0;
    const count = Math.min(windowRows, numRows - row);
    window.fill(0);
    const rows = Uint32Array.from({ length: count }, (_, i) => row + i);
    await table.readAside(rows, (index, record) =>
      window.set(record.subarray(0, rowBytes), index * rowBytes),
    );
    first = row;
    end = row + count;
  }
  const shape = { numRows, rowBytes };
  return {
    ...shape,
    async read(rows, into) {
      checkRead(shape, rows, into);
      for (const [i, row] of rows.entries()) {
        if (row < first || row >= end) await load(row);
        const at = (row - first) * rowBytes;
        into.set(window.subarray(at, at + rowBytes), i * rowBytes);
      }
    },
    close: () => table.close(),
  };
}
