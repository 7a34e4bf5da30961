/**
 * A wrapper that counts how often the rows of each block of the table were read. A block is one row in tables of up
 * to `maxBlocks` rows, and 2, 4, 8 … rows in larger ones, so that memory is bounded. Changes no result. Knows nothing
 * of what rows hold, nor of who reads them.
 */
import { InvalidConfigError } from "../../../errors.ts";
import type { RowStore, WriteOf } from "../../store.ts";

export interface CountOptions {
  /** Default 2^22: 16 MiB of counts, exact for tables of up to four million rows. */
  readonly maxBlocks?: number;
}

/** Rows from..to-1 in `bins` parts as equal as whole rows allow: part i begins at floor(from + i (to-from) / bins). */
export interface RowBins {
  readonly from: number;
  readonly to: number;
  readonly bins: number;
}

/** Counts the reads of `store`. Owns `store`. */
export function counted<Store extends RowStore>(
  store: Store,
  options: CountOptions = {},
): CountedStore & WriteOf<Store> {
  return new CountedStore(store, options) as CountedStore & WriteOf<Store>;
}

/** Counts stop here: 50 days of a thousand reads a second. */
const MAX_COUNT = 2 ** 32 - 1;

export class CountedStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly inner: RowStore;
  readonly write?: (rows: Uint32Array, from: Uint8Array) => Promise<void>;
  readonly rowsPerBlock: number;
  readonly #shift: number;
  readonly #counts: Uint32Array;

  constructor(inner: RowStore, { maxBlocks = 2 ** 22 }: CountOptions) {
    if (!Number.isInteger(maxBlocks) || maxBlocks < 1)
      throw new InvalidConfigError(
        `reads are counted in a positive number of blocks, got ${maxBlocks}`,
      );
    this.inner = inner;
    if (inner.write !== undefined) this.write = inner.write.bind(inner);
    this.numRows = inner.numRows;
    this.rowBytes = inner.rowBytes;
    let shift = 0;
    while (Math.ceil(inner.numRows / 2 ** shift) > maxBlocks) shift++;
    this.#shift = shift;
    this.rowsPerBlock = 2 ** shift;
    // Pages that were never touched take no memory.
    this.#counts = new Uint32Array(Math.ceil(inner.numRows / 2 ** shift));
  }

  read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    this.#count(rows);
    return this.inner.read(rows, into);
  }

  /** Counts only answered reads: after `false` the caller calls `read`. */
  readNow(rows: Uint32Array, into: Uint8Array): boolean {
    if (this.inner.readNow?.(rows, into) !== true) return false;
    this.#count(rows);
    return true;
  }

  prefetch(rows: Uint32Array): void {
    this.inner.prefetch?.(rows);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  #count(rows: Uint32Array): void {
    const counts = this.#counts;
    const shift = this.#shift;
    // The store refuses rows outside the table; a typed array ignores them.
    for (let i = 0; i < rows.length; i++) {
      const block = rows[i]! >>> shift;
      if (counts[block]! < MAX_COUNT) counts[block]!++;
    }
  }

  /** Reads of each bin so far. A block that overlaps several bins is divided in proportion. */
  reads({ from, to, bins }: RowBins): Float64Array {
    checkBins(this, { from, to, bins });
    const sums = new Float64Array(bins);
    const size = this.rowsPerBlock;
    for (let bin = 0; bin < bins; bin++) {
      const begin = Math.floor(from + (bin * (to - from)) / bins);
      const end = Math.floor(from + ((bin + 1) * (to - from)) / bins);
      let sum = 0;
      for (let block = Math.floor(begin / size); block * size < end; block++) {
        const count = this.#counts[block]!;
        if (count === 0) continue;
        // The last block may be shorter than the others.
        const blockEnd = Math.min((block + 1) * size, this.numRows);
        const overlap = Math.min(end, blockEnd) - Math.max(begin, block * size);
        sum += (count * overlap) / (blockEnd - block * size);
      }
      sums[bin] = sum;
    }
    return sums;
  }
}

/** Refuses bins that are not within the table. */
export function checkBins(
  { numRows }: Pick<RowStore, "numRows">,
  { from, to, bins }: RowBins,
): void {
  const isRange = Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from < to;
  if (!isRange || to > numRows)
    throw new InvalidConfigError(`rows ${from}..${to} are no part of a table of ${numRows} rows`);
  if (!Number.isInteger(bins) || bins < 1 || bins > to - from)
    throw new InvalidConfigError(`${to - from} rows make 1..${to - from} bins, got ${bins}`);
}
