/**
 * Statistics of rows, by bins of adjacent rows: their norms and how many are not zero. Time and bytes are limited for
 * tables of any size: in bins that are too large, rows at equal distances are sampled. (Which row an n-gram falls on is
 * practically random, so adjacent rows are not alike.) Changes nothing. Knows nothing of tokens, orders or heads.
 */
import { checkBins, checkRowValues, type RetrievalTable, type RowBins } from "../memory/index.ts";

/** One entry a bin. */
export interface RowStatistics {
  /** Rows that were read. Fewer than the bin has if it was sampled; 0 if the time limit came first. */
  readonly sampled: Uint32Array;
  /** How many of them are not zero. A row is zero until training writes it (docs/decisions/0006). */
  readonly nonZero: Uint32Array;
  /** Mean L2 norm of the rows read, zeros included; 0 if none was read. */
  readonly meanNorm: Float64Array;
  /** Largest L2 norm of the rows read. */
  readonly maxNorm: Float64Array;
}

export interface RowStatisticsOptions {
  /** The most rows to read for one answer; at least one a bin. */
  readonly maxRows?: number;
  /** The most bytes to read for one answer. At least one row a bin is read in any case. */
  readonly maxBytes?: number;
  /** Time limit in milliseconds, after which no more rows are read. */
  readonly maxTime?: number;
  readonly now?: () => number;
  readonly signal?: AbortSignal;
}

/** Rows read at a time. Other work can run between two such reads. */
const ROWS_PER_READ = 4096;

/** Throws `NonFiniteError` for a row with numbers that are not finite. */
export async function rowStatistics(
  { layerId, store, format }: RetrievalTable,
  bins: RowBins,
  options: RowStatisticsOptions = {},
): Promise<RowStatistics> {
  const { maxRows = 2 ** 17, maxBytes = 2 ** 25, maxTime = 1000 } = options;
  const { now = () => performance.now(), signal } = options;
  checkBins(store, bins);
  const { bins: count } = bins;
  const statistics = {
    sampled: new Uint32Array(count),
    nonZero: new Uint32Array(count),
    meanNorm: new Float64Array(count),
    maxNorm: new Float64Array(count),
  };
  const limit = Math.max(1, Math.min(maxRows, Math.floor(maxBytes / format.rowBytes)));
  const perBin = Math.max(1, Math.floor(limit / count));
  const rows = new Uint32Array(ROWS_PER_READ);
  const binOf = new Uint32Array(ROWS_PER_READ);
  const bytes = new Uint8Array(ROWS_PER_READ * format.rowBytes);
  const values = new Float32Array(ROWS_PER_READ * format.headDim);
  const deadline = now() + maxTime;
  let filled = 0;
  const flush = async (): Promise<void> => {
    signal?.throwIfAborted();
    await store.read(rows.subarray(0, filled), bytes);
    const decoded = values.subarray(0, filled * format.headDim);
    format.decode(bytes, decoded);
    checkRowValues({ layerId, format }, rows, decoded);
    addNorms(statistics, values, { binOf: binOf.subarray(0, filled), width: format.headDim });
    filled = 0;
    // A store in memory never waits, so pause here to let requests run.
    await new Promise((resolve) => setTimeout(resolve));
  };
  for (const [bin, row] of sampledRows(bins, perBin)) {
    rows[filled] = row;
    binOf[filled++] = bin;
    if (filled < ROWS_PER_READ) continue;
    await flush();
    if (now() > deadline) break;
  }
  if (filled > 0) await flush();
  for (let bin = 0; bin < count; bin++)
    statistics.meanNorm[bin]! /= Math.max(1, statistics.sampled[bin]!);
  return statistics;
}

/**
 * The rows to read, with their bins: one of each bin in turn, so that all bins have about the same number of rows when the
 * time is over.
 */
function* sampledRows({ from, to, bins }: RowBins, perBin: number): Generator<[number, number]> {
  const edge = (bin: number): number => Math.floor(from + (bin * (to - from)) / bins);
  const most = Math.min(perBin, Math.ceil((to - from) / bins));
  for (let round = 0; round < most; round++)
    for (let bin = 0; bin < bins; bin++) {
      const begin = edge(bin);
      const size = edge(bin + 1) - begin;
      // Bin sizes differ by at most one row.
      if (round < size)
        yield [bin, begin + Math.floor(((round + 0.5) * size) / Math.min(perBin, size))];
    }
}

function addNorms(
  { sampled, nonZero, meanNorm, maxNorm }: RowStatistics,
  values: Float32Array,
  { binOf, width }: { binOf: Uint32Array; width: number },
): void {
  for (const [i, bin] of binOf.entries()) {
    let squares = 0;
    for (let at = i * width, end = at + width; at < end; at++) squares += values[at]! * values[at]!;
    const norm = Math.sqrt(squares);
    sampled[bin]!++;
    if (squares > 0) nonZero[bin]!++;
    meanNorm[bin]! += norm;
    maxNorm[bin] = Math.max(maxNorm[bin]!, norm);
  }
}
