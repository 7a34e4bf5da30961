/**
 * A trainable table that is larger than its memory. Rows in use are in a cache. New versions of changed rows are
 * appended to a row log in the background, least recently used first. A map says where the newest version of each row
 * is. A read sees every write that was awaited before it, bit for bit, wherever the row is.
 *
 * A checkpoint is the map, after all changes have been appended and forced to disk. Records that a checkpoint refers
 * to are never overwritten. Resuming needs no replay: records appended later are free space. See docs/decisions/0019.
 * Knows nothing of what rows hold.
 *
 * Concurrency: rows enter and leave memory only in `#inTurn`, one operation after the other. A batch that is in
 * memory as a whole is answered at once, without a turn. One background writer appends to the log.
 */
import { DisposalStack } from "../../../../disposal-stack.ts";
import { InvariantError, StoreError } from "../../../../errors.ts";
import { checkRead, checkRows, checkWrite, type WritableRowStore } from "../../../store.ts";
import { LogSegments, type Pin } from "../log-segments.ts";
import type { TableMemory } from "../out-of-core-memory.ts";
import { RecordCache } from "../record-cache.ts";
import { checkIdentity, checkRecords } from "./check-records.ts";
import { LogWriter } from "./log-writer.ts";
import { openPositionalFile, type PositionalFile } from "./positional-file.ts";
import { MAX_BATCH_ROWS, RowFetcher } from "./row-fetcher.ts";
import { RowLog } from "./row-log.ts";

export interface OutOfCoreOptions {
  readonly numRows: number;
  /** Bytes of each part of a row. Each part is a store; on disk all parts are one record. */
  readonly partBytes: readonly number[];
  readonly memory: TableMemory;
  /** Used instead of the file at the path, for tests with failing disks. */
  readonly file?: PositionalFile;
}

export interface OutOfCoreStats {
  /** Rows that were in memory when read, and rows that were not (including those never written). */
  readonly hits: number;
  readonly misses: number;
  readonly reads: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly rowsWritten: number;
  /** Rows copied to free segments of the log. */
  readonly rowsMoved: number;
  readonly dirtyRows: number;
  readonly liveRows: number;
}

/** Rows in each chunk of a map; the last has fewer. */
export const MAP_CHUNK_ROWS = 16_384;
export class OutOfCoreTable {
  readonly numRows: number;
  readonly path: string;
  /** One store for each part, over the same rows. Closing one does not close the table. */
  readonly parts: readonly WritableRowStore[];
  readonly #log: RowLog;
  readonly #cache: RecordCache;
  readonly #segments: LogSegments;
  readonly #writer: LogWriter;
  readonly #fetcher: RowFetcher;
  readonly #bringRows: number;
  /** Rows served together: at most half of those that fit, so that a batch never evicts its own rows. */
  readonly #batchRows: number;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  #isSealed = false;
  #hits = 0;
  #misses = 0;
  /** Rows that entered memory since the writer was last started. */
  #entered = 0;
  #missing: Uint32Array = new Uint32Array(0);

  private constructor(log: RowLog, options: OutOfCoreOptions) {
    const { numRows, partBytes, memory } = options;
    this.numRows = numRows;
    this.path = log.path;
    this.#log = log;
    this.#cache = new RecordCache({ numRows, partBytes, capacity: memory.cacheRows });
    this.#segments = new LogSegments(log.spec.recordsPerSegment);
    this.#bringRows = Math.max(1, Math.floor(memory.ioBytes / log.spec.rowBytes));
    this.#batchRows = Math.max(1, Math.min(memory.cacheRows >> 1, MAX_BATCH_ROWS));
    this.#fetcher = new RowFetcher({ log, cache: this.#cache, partBytes });
    this.#writer = new LogWriter({ log, cache: this.#cache, segments: this.#segments, partBytes });
    this.parts = partBytes.map((rowBytes, part) => this.#part(part, rowBytes));
  }

  /** Creates a table of zeros. A file at `path` is removed. */
  static async create(path: string, options: OutOfCoreOptions): Promise<OutOfCoreTable> {
    const { numRows, partBytes, memory } = options;
    const rowBytes = partBytes.reduce((sum, bytes) => sum + bytes, 0);
    await using opened = new DisposalStack();
    const file = options.file ?? (await openPositionalFile(path, { isNew: true }));
    opened.adopt(file, (one) => one.close());
    const log = await RowLog.create(path, file, {
      numRows,
      rowBytes,
      recordsPerSegment: Math.max(2, Math.floor(memory.ioBytes / (rowBytes + 8))),
      bufferBytes: memory.ioBytes,
    });
    const table = new OutOfCoreTable(log, options);
    opened.move();
    return table;
  }

  /** Opens a table at a checkpoint: `fill` writes the checkpoint's map into the given array. */
  static async open(
    path: string,
    options: OutOfCoreOptions & {
      readonly fill: (map: Uint32Array) => Promise<void>;
      readonly identity: Uint8Array;
    },
  ): Promise<OutOfCoreTable> {
    const { numRows, partBytes, memory, fill, identity } = options;
    const rowBytes = partBytes.reduce((sum, bytes) => sum + bytes, 0);
    const file = options.file ?? (await openPositionalFile(path));
    try {
      const log = await RowLog.open(path, file, { numRows, rowBytes, bufferBytes: memory.ioBytes });
      checkIdentity(log, identity);
      const table = new OutOfCoreTable(log, options);
      await fill(table.#cache.locations);
      const { locations } = table.#cache;
      // A damaged record that is found now costs one checkpoint. Found later, it would fail every run from
      // this checkpoint.
      await checkRecords(log, locations);
      for (const slot of locations) if (slot !== 0) table.#segments.restore(slot);
      return table;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get identity(): Uint8Array {
    return this.#log.spec.identity;
  }

  get stats(): OutOfCoreStats {
    const { reads, bytesRead, bytesWritten } = this.#log.stats;
    return {
      hits: this.#hits,
      misses: this.#misses,
      reads,
      bytesRead,
      bytesWritten,
      rowsWritten: this.#writer.rowsWritten,
      rowsMoved: this.#writer.rowsMoved,
      dirtyRows: this.#cache.numDirty,
      liveRows: this.#segments.liveRecords,
    };
  }

  /** Bytes of the log's file. */
  fileBytes(): Promise<number> {
    return this.#log.size();
  }

  /**
   * Resolves when everything written so far is on disk. Nobody may write meanwhile. The pin keeps the records of the
   * checkpoint that follows; pass it to `keepPins` as long as that checkpoint is kept.
   */
  async flush(): Promise<Pin> {
    this.#checkOpen();
    return this.#inTurn(async () => {
      await this.#writer.flush();
      await this.#log.sync();
      return this.#segments.pin();
    });
  }

  /** Keeps only the records of these checkpoints. */
  keepPins(pins: readonly Pin[]): void {
    this.#segments.keepPins(pins);
  }

  /** The pin of another checkpoint of this log, from its map. It stays until `keepPins` leaves it out. */
  async pinMap(chunks: AsyncIterable<Uint32Array> | Iterable<Uint32Array>): Promise<Pin> {
    const live: number[] = [];
    for await (const chunk of chunks)
      for (const slot of chunk) {
        if (slot === 0) continue;
        const segment = this.#segments.segmentOf(slot);
        while (live.length <= segment) live.push(0);
        live[segment]!++;
      }
    const pin = Uint32Array.from(live);
    this.#segments.addPin(pin);
    return pin;
  }

  /** The slot of each row's newest record, in row order; call it after a flush. A chunk is valid until the next. */
  *map(): Generator<Uint32Array> {
    const chunk = new Uint32Array(MAP_CHUNK_ROWS);
    for (let first = 0; first < this.numRows; first += chunk.length) {
      const count = Math.min(chunk.length, this.numRows - first);
      for (let i = 0; i < count; i++) chunk[i] = this.#cache.logSlotOf(first + i);
      yield chunk.subarray(0, count);
    }
  }

  /**
   * Writes all changes and frees the memory of all rows. After that, rows can only be read with `readAside`, for a
   * pass over the whole table.
   */
  async seal(): Promise<void> {
    await this.flush();
    this.#isSealed = true;
    this.#cache.release();
  }

  /**
   * Reads rows without caching them; call it after a flush. `deliver` gets each row that was ever written, in any
   * order: its index in `rows`, its bytes.
   */
  async readAside(
    rows: Uint32Array,
    deliver: (index: number, record: Uint8Array) => void,
  ): Promise<void> {
    this.#checkOpen();
    checkRows({ numRows: this.numRows, rowBytes: this.#log.spec.rowBytes }, rows);
    await this.#fetcher.readAside(rows, deliver);
  }

  /** Waits until the background writer is idle. */
  async settled(): Promise<void> {
    await this.#inTurn(async () => undefined);
    await this.#writer.settled();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#turn.catch(() => undefined);
    await this.#writer.settled().catch(() => undefined);
    await this.#log.close();
  }

  #part(part: number, rowBytes: number): WritableRowStore {
    const { numRows } = this;
    let isClosed = false;
    const checkPart = (): void => {
      if (isClosed) throw new StoreError(`the store of ${this.path} was closed; open it again`);
      this.#checkOpen();
      if (this.#isSealed)
        throw new StoreError(
          `the table of ${this.path} was sealed; rows are only read past memory`,
        );
    };
    const table = { numRows, rowBytes };
    return {
      ...table,
      read: async (rows, into) => {
        checkPart();
        checkRead(table, rows, into);
        await this.#serve(rows, (entries, first) =>
          this.#cache.parts[part]!.readSync(entries, into.subarray(first * rowBytes)),
        );
      },
      readNow: (rows, into) => {
        checkPart();
        checkRead(table, rows, into);
        this.#writer.checkHealth();
        const entries = this.#cache.locate(rows);
        if (entries === undefined) return false;
        this.#hits += rows.length;
        this.#cache.parts[part]!.readSync(entries, into);
        return true;
      },
      write: async (rows, from) => {
        checkPart();
        checkWrite(table, rows, from);
        await this.#serve(rows, (entries, first) => {
          this.#cache.parts[part]!.writeSync(entries, from.subarray(first * rowBytes));
          this.#cache.markDirty(entries);
        });
      },
      prefetch: (rows) => {
        checkRows(table, rows);
        if (!isClosed && !this.#isClosed && !this.#isSealed) this.#prefetch(rows);
      },
      close: async () => {
        isClosed = true;
      },
    };
  }

  /** Calls `use` with the cache entries of all rows: at once, or part by part as they enter memory. */
  async #serve(
    rows: Uint32Array,
    use: (entries: Uint32Array, first: number) => void,
  ): Promise<void> {
    this.#writer.checkHealth();
    const batch = this.#batchRows;
    const entries = rows.length <= batch ? this.#cache.locate(rows) : undefined;
    if (entries !== undefined) {
      this.#hits += rows.length;
      use(entries, 0);
      return;
    }
    await this.#inTurn(async () => {
      for (let first = 0; first < rows.length; first += batch) {
        const some = rows.subarray(first, first + batch);
        await this.#bring(some);
        const found = this.#cache.locate(some);
        if (found === undefined) throw new InvariantError(`${this.path}: a row left in its turn`);
        use(found, first);
      }
    });
  }

  /** Prefetching may fill half of the cache. The other half is for the rows in use. */
  #prefetch(rows: Uint32Array): void {
    const some = rows.subarray(0, this.#batchRows);
    // A failed prefetch is not reported: the read of the same rows will fail and report it.
    this.#inTurn(() => this.#bring(some)).catch(() => undefined);
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#turn;
    const mine = before.catch(() => undefined).then(work);
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  /** Brings all of `rows` (at most half of what fits) into memory. Only in `#inTurn`. */
  async #bring(rows: Uint32Array): Promise<void> {
    const cache = this.#cache;
    let count = 0;
    if (this.#missing.length < rows.length) this.#missing = new Uint32Array(rows.length);
    const missing = this.#missing;
    for (let i = 0; i < rows.length; i++) if (!cache.touch(rows[i]!)) missing[count++] = rows[i]!;
    this.#hits += rows.length - count;
    this.#misses += count;
    if (count === 0) return;
    const sorted = this.#fetcher.inLogOrder(missing.subarray(0, count));
    for (let first = 0; first < sorted.length; first += this.#bringRows) {
      const some = sorted.subarray(first, first + this.#bringRows);
      await this.#makeRoom(some.length);
      await this.#fetcher.fetch(some);
    }
    this.#entered += count;
    if (this.#entered >= cache.capacity >> 4 || cache.numFree === 0) {
      this.#entered = 0;
      this.#writer.kick();
    }
  }

  async #makeRoom(count: number): Promise<void> {
    // The more recently used half may hold rows of this batch.
    const within = Math.max(1, this.#cache.capacity >> 1);
    while (!this.#cache.evict(count, within)) await this.#writer.cleanOldest(within);
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new StoreError(`the table of ${this.path} was closed; open it again`);
  }
}
