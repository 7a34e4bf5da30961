/**
 * Splits a batch into runs of neighbouring rows, for stores where a call costs more than a few unneeded bytes: files,
 * HTTP ranges. Knows nothing of what reads the bytes.
 */

/** Rows of one call, in row order, and their indices in the batch. */
export interface RowRun {
  readonly firstRow: number;
  lastRow: number;
  readonly rows: number[];
  readonly places: number[];
}

export interface RowRunLimits {
  readonly rowBytes: number;
  /** Rows share a call if the gap between them is at most this. 0: only neighbours do. */
  readonly maxGapBytes: number;
  readonly maxCallBytes: number;
}

/** Rows sorted together. A row and its index in the batch fit into one double: 2^32 * 2^20 < 2^53. */
const SORT_ROWS = 2 ** 20;

/** Repeated rows are in the same run, each with its index. */
export function rowRuns(rows: Uint32Array, limits: RowRunLimits): RowRun[] {
  const { rowBytes, maxGapBytes, maxCallBytes } = limits;
  const runs: RowRun[] = [];
  for (let first = 0; first < rows.length; first += SORT_ROWS) {
    const batch = rows.subarray(first, first + SORT_ROWS);
    const keys = Float64Array.from(batch, (row, place) => row * SORT_ROWS + place);
    keys.sort();
    let run: RowRun | undefined;
    for (const key of keys) {
      const row = Math.floor(key / SORT_ROWS);
      const place = first + (key - row * SORT_ROWS);
      const gap = run === undefined ? 0 : (row - run.lastRow - 1) * rowBytes;
      const isFar =
        run === undefined ||
        gap > maxGapBytes ||
        (row + 1 - run.firstRow) * rowBytes > maxCallBytes;
      if (run === undefined || (isFar && row !== run.lastRow))
        runs.push((run = { firstRow: row, lastRow: row, rows: [], places: [] }));
      run.lastRow = row;
      run.rows.push(row);
      run.places.push(place);
    }
  }
  return runs;
}

export interface RowPlaces {
  readonly into: Uint8Array;
  readonly rowBytes: number;
  /** Bytes from one row to the next in `into`, and bytes before each row's part there. */
  readonly stride?: number;
  readonly shift?: number;
}

/** Copies the bytes of a run, from its first row to its last, to the positions of its rows. */
export function dealOutRun(
  { firstRow, rows, places }: RowRun,
  bytes: Uint8Array,
  { into, rowBytes, stride = rowBytes, shift = 0 }: RowPlaces,
): void {
  for (const [i, place] of places.entries()) {
    const at = (rows[i]! - firstRow) * rowBytes;
    into.set(bytes.subarray(at, at + rowBytes), place * stride + shift);
  }
}

/**
 * Serves all runs, at most `maxInFlight` at a time. Rejects with the first failure, but only after all calls have
 * ended, so that the caller may reuse its buffer.
 */
export async function serveRuns<Run>(
  runs: readonly Run[],
  { maxInFlight, serve }: { maxInFlight: number; serve: (run: Run) => Promise<void> },
): Promise<void> {
  let next = 0;
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    while (next < runs.length && failures.length === 0)
      await serve(runs[next++]!).catch((error: unknown) => void failures.push(error));
  };
  await Promise.all(Array.from({ length: Math.min(maxInFlight, runs.length) }, worker));
  if (failures.length > 0) throw failures[0];
}
