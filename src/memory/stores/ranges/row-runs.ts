/**
 * A batch of rows as runs of neighbours, for stores where rows lie in order and a call costs more than
 * a few unwanted bytes: files, HTTP ranges. Knows nothing of what carries the bytes.
 */

/** Rows that one call covers, in the order they lie in, and their places in the batch. */
export interface RowRun {
  readonly firstRow: number;
  lastRow: number;
  readonly rows: number[];
  readonly places: number[];
}

export interface RowRunLimits {
  readonly rowBytes: number;
  /** Rows whose gap is at most this share a call. 0: only neighbours do. */
  readonly maxGapBytes: number;
  readonly maxCallBytes: number;
}

/** Rows sorted together. A row and its place in the batch fit into one double: 2^32 * 2^20 < 2^53. */
const SORT_ROWS = 2 ** 20;

/** Repeated rows are in the same run, each with its place. */
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
  /** Bytes from one row's place in `into` to the next, and of what stands there before it. */
  readonly stride?: number;
  readonly shift?: number;
}

/** Deals the bytes of a run, from its first row to its last, out to the rows' places. */
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
 * Serves all runs, at most `maxInFlight` at a time. Fails with the first failure, but only once nothing is
 * under way any more: the caller may use its buffer again.
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
