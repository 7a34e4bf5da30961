/**
 * A wrapper that measures any store: reads, rows, bytes, times. A time is from the call to the answer, as the caller
 * sees it. Changes no result. Knows nothing of what the store does in between.
 */
import type { RowStore, WriteOf } from "../../store.ts";
import type { StoreReport } from "../../tiers.ts";

/** Counts since the meter was made. */
export interface StoreStats {
  readonly reads: number;
  /** Rows read, repeats included, and their bytes. Failed reads do not count. */
  readonly rowsRead: number;
  readonly bytesRead: number;
  readonly writes: number;
  readonly rowsWritten: number;
  readonly failures: number;
  readonly inFlight: number;
  readonly maxInFlight: number;
  readonly readTime: LatencySummary;
  readonly writeTime: LatencySummary;
  /** Histogram of the times of all answered reads, without empty buckets. */
  readonly readTimes: readonly LatencyBucket[];
}

/** In milliseconds. Quantiles are upper ends of buckets, at most 10 % too high. */
export interface LatencySummary {
  readonly total: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Reads that took at most `upTo` milliseconds, and longer than the bucket before. */
export interface LatencyBucket {
  readonly upTo: number;
  readonly count: number;
}

export interface MeterOptions {
  /** Name of the tier in reports: "disk", "remote". */
  readonly tier?: string;
  /** A monotonic clock, in milliseconds. */
  readonly now?: () => number;
}

/** Measures `store`. Owns `store`. */
export function measured<Store extends RowStore>(
  store: Store,
  options: MeterOptions = {},
): MeasuredStore & WriteOf<Store> {
  return new MeasuredStore(store, options) as MeasuredStore & WriteOf<Store>;
}

export class MeasuredStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly inner: RowStore;
  readonly tier: string | undefined;
  /** Absent if the store has none, so that callers need not prepare the call. */
  readonly readNow?: (rows: Uint32Array, into: Uint8Array) => boolean;
  readonly write?: (rows: Uint32Array, from: Uint8Array) => Promise<void>;
  readonly #now: () => number;
  readonly #readTime = new LatencyHistogram();
  readonly #writeTime = new LatencyHistogram();
  readonly #count = {
    reads: 0,
    rowsRead: 0,
    bytesRead: 0,
    writes: 0,
    rowsWritten: 0,
    failures: 0,
    inFlight: 0,
    maxInFlight: 0,
  };

  constructor(inner: RowStore, { tier, now = () => performance.now() }: MeterOptions) {
    this.inner = inner;
    this.tier = tier;
    this.numRows = inner.numRows;
    this.rowBytes = inner.rowBytes;
    this.#now = now;
    if (inner.readNow !== undefined)
      this.readNow = (rows, into) => {
        const start = this.#now();
        if (!inner.readNow!(rows, into)) return false;
        this.#readTime.add(this.#now() - start);
        this.#countRead(rows.length);
        return true;
      };
    if (inner.write !== undefined)
      this.write = async (rows, from) => {
        const numRows = rows.length;
        await this.#time(this.#writeTime, () => inner.write!(rows, from));
        this.#count.writes++;
        this.#count.rowsWritten += numRows;
      };
  }

  get stats(): StoreStats {
    return {
      ...this.#count,
      readTime: this.#readTime.summary,
      writeTime: this.#writeTime.summary,
      readTimes: this.#readTime.buckets,
    };
  }

  report(): StoreReport {
    const { tier, numRows, rowBytes, stats } = this;
    if (tier === undefined) return { meter: stats };
    const { rowsRead, bytesRead, readTime } = stats;
    const size = { rows: numRows, bytes: numRows * rowBytes };
    const counts = { rowsAsked: rowsRead, rowsServed: rowsRead, bytesRead };
    return {
      meter: stats,
      tier: { tier, ...size, ...counts, readSeconds: readTime.total / 1000 },
    };
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    // The caller may reuse `rows` after this returns. Only their number is needed later.
    const numRows = rows.length;
    await this.#time(this.#readTime, () => this.inner.read(rows, into));
    this.#countRead(numRows);
  }

  prefetch(rows: Uint32Array): void {
    this.inner.prefetch?.(rows);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  #countRead(numRows: number): void {
    this.#count.reads++;
    this.#count.rowsRead += numRows;
    this.#count.bytesRead += numRows * this.rowBytes;
  }

  async #time(histogram: LatencyHistogram, call: () => Promise<void>): Promise<void> {
    const count = this.#count;
    count.maxInFlight = Math.max(count.maxInFlight, ++count.inFlight);
    const start = this.#now();
    try {
      await call();
      histogram.add(this.#now() - start);
    } catch (error) {
      count.failures++;
      throw error;
    } finally {
      count.inFlight--;
    }
  }
}

/** Buckets grow by a tenth, from a tenth of a microsecond to about 1,000 seconds. */
const LEAST_MS = 1e-4;
const GROWTH = Math.log(1.1);
const NUM_BUCKETS = 243;

class LatencyHistogram {
  readonly #buckets = new Uint32Array(NUM_BUCKETS);
  #count = 0;
  #total = 0;
  #max = 0;

  add(milliseconds: number): void {
    const bucket = Math.ceil(Math.log(Math.max(milliseconds, LEAST_MS) / LEAST_MS) / GROWTH);
    this.#buckets[Math.min(NUM_BUCKETS - 1, bucket)]!++;
    this.#count++;
    this.#total += milliseconds;
    this.#max = Math.max(this.#max, milliseconds);
  }

  get summary(): LatencySummary {
    return {
      total: this.#total,
      p50: this.#quantile(0.5),
      p99: this.#quantile(0.99),
      max: this.#max,
    };
  }

  get buckets(): LatencyBucket[] {
    return Array.from(this.#buckets, (count, i) => ({ upTo: upperEnd(i), count })).filter(
      ({ count }) => count > 0,
    );
  }

  #quantile(share: number): number {
    let left = Math.ceil(share * this.#count);
    if (left === 0) return 0;
    let bucket = 0;
    while ((left -= this.#buckets[bucket]!) > 0) bucket++;
    return Math.min(this.#max, upperEnd(bucket));
  }
}

function upperEnd(bucket: number): number {
  return LEAST_MS * Math.exp(bucket * GROWTH);
}
