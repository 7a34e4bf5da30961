/**
 * What rows hold, by bins of neighbouring rows: how long they are and how many are not zero. Tables of any
 * size are answered in bounded time and bytes: of bins that are too large, rows at even distances are read (which
 * row an n-gram falls on is as good as random, so neighbours do not resemble each other). Changes nothing; knows
 * nothing of tokens, orders or heads.
 */
import { checkBins, checkRowValues, type RetrievalTable, type RowBins } from "../memory/index.ts";

/** One entry a bin. */
export interface RowStatistics {
  /** Rows that were read; fewer than the bin has where it was sampled, 0 if time ran out before. */
  readonly sampled: Uint32Array;
  /** Of those, rows that are not zero. A row is zero until training writes it (docs/decisions/0006). */
  readonly nonZero: Uint32Array;
  /** Mean length of the read rows, zeros included; 0 where none was read. */
  readonly meanNorm: Float64Array;
  /** Length of the longest row read. */
  readonly maxNorm: Float64Array;
}

export interface RowStatisticsOptions {
  /** Rows to read for one answer, at least one a bin. */
  readonly maxRows?: number;
  /** Bytes to read for one answer; at least a row a bin is read all the same. */
  readonly maxBytes?: number;
  /** Milliseconds after which no more rows are read. */
  readonly maxTime?: number;
  readonly now?: () => number;
  readonly signal?: AbortSignal;
}

/** Rows read at a time: between two of them, other work gets its turn. */
const ROWS_PER_READ = 4096;

/** Throws `NonFiniteError` at a row that holds no finite numbers. */
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
    // A store in memory never waits; requests that do must not wait for it.
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
 * Rows to read with their bins: all of them bin by bin, if a bin has no more than `perBin`; or rounds of one row a
 * bin, so that wherever time runs out every bin has had nearly as many.
 */
function* sampledRows({ from, to, bins }: RowBins, perBin: number): Generator<[number, number]> {
  const edge = (bin: number): number => Math.floor(from + (bin * (to - from)) / bins);
  if (Math.ceil((to - from) / bins) <= perBin) {
    for (let bin = 0; bin < bins; bin++)
      for (let row = edge(bin), end = edge(bin + 1); row < end; row++) yield [bin, row];
    return;
  }
  for (let round = 0; round < perBin; round++)
    for (let bin = 0; bin < bins; bin++) {
      const begin = edge(bin);
      // Bins differ by a row at most, so none has fewer than `perBin`.
      yield [bin, begin + Math.floor(((round + 0.5) * (edge(bin + 1) - begin)) / perBin)];
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
