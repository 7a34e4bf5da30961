/**
 * A table in a flat file: row r lies at `offset + r * rowBytes`. Reads and writes are positional and
 * batched: rows are visited in file order, neighbours share one system call, and several calls are under
 * way at once so that a disk can serve them together. What the system has in memory is read without asking for it so.
 * Never answers short: a file that ends too early is
 * refused when it is opened, and named when it shrinks later. Knows nothing of what rows hold; a header
 * before `offset` is somebody else's business.
 */
import { constants, type FileHandle, open } from "node:fs/promises";
import { FormatError, StoreError } from "../../../errors.ts";
import { checkRead, checkTableSize, checkWrite, type WritableRowStore } from "../../store.ts";
import { dealOutRun, type RowRun, rowRuns, serveRuns } from "../row-runs.ts";
import { MAX_READ_NOW, pageCacheReader } from "./page-cache.ts";

export interface FileStoreOptions {
  readonly rowBytes: number;
  /** Rows in the file; without it the whole file from `offset` on is rows. */
  readonly numRows?: number;
  /** Bytes before the first row. */
  readonly offset?: number;
  readonly writable?: boolean;
  /** System calls under way at once (Node itself runs 4 unless UV_THREADPOOL_SIZE says more). */
  readonly maxInFlight?: number;
}

/** Rows whose gap in the file is smaller share a read: a page comes from the disk in any case. */
const MAX_GAP_BYTES = 4096;
const MAX_CALL_BYTES = 256 * 1024;

/** Opens an existing file of rows. Throws `StoreError` or, for a file of another size, `FormatError`. */
export async function openFileStore(path: string, options: FileStoreOptions): Promise<FileStore> {
  const { rowBytes, offset = 0, writable = false } = options;
  checkTableSize({ numRows: options.numRows ?? 0, rowBytes });
  const file = await openFile(path, writable ? constants.O_RDWR : constants.O_RDONLY);
  try {
    const { size } = await file.stat();
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
    return new FileStore(path, file, { ...options, numRows });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Makes a file of `numRows` rows of zeros, sparse where the file system can, and opens it for writing. */
export async function createFileStore(
  path: string,
  options: FileStoreOptions & { readonly numRows: number },
): Promise<FileStore> {
  const { rowBytes, numRows, offset = 0 } = options;
  checkTableSize(options);
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  const file = await openFile(path, flags);
  try {
    await file.truncate(offset + numRows * rowBytes);
  } catch (cause) {
    await file.close();
    throw new StoreError(
      `${path}: cannot make a file of ${offset + numRows * rowBytes} bytes: ${messageOf(cause)}`,
      { cause },
    );
  }
  return new FileStore(path, file, { ...options, writable: true });
}

export class FileStore implements WritableRowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly path: string;
  readonly #offset: number;
  readonly #isWritable: boolean;
  readonly #maxInFlight: number;
  #file: FileHandle | undefined;

  /** Use `openFileStore` or `createFileStore`, which check the file first. */
  constructor(
    path: string,
    file: FileHandle,
    options: FileStoreOptions & { readonly numRows: number },
  ) {
    this.path = path;
    this.numRows = options.numRows;
    this.rowBytes = options.rowBytes;
    this.#offset = options.offset ?? 0;
    this.#isWritable = options.writable ?? false;
    this.#maxInFlight = options.maxInFlight ?? 16;
    this.#file = file;
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    const file = this.#open();
    checkRead(this, rows, into);
    await this.#serve(rows, MAX_GAP_BYTES, (run) => this.#readRun(file, run, into));
  }

  /** Serves rows that the system's page cache has, all of them. */
  readNow(rows: Uint32Array, into: Uint8Array): boolean {
    const { fd } = this.#open();
    checkRead(this, rows, into);
    const readNow = pageCacheReader();
    const { rowBytes } = this;
    if (readNow === undefined || rowBytes > MAX_READ_NOW) return false;
    for (let i = 0; i < rows.length; i++) {
      const bytes = readNow(fd, this.#offset + rows[i]! * rowBytes, rowBytes);
      if (bytes === undefined) return false;
      into.set(bytes, i * rowBytes);
    }
    return true;
  }

  async write(rows: Uint32Array, from: Uint8Array): Promise<void> {
    const file = this.#open();
    if (!this.#isWritable)
      throw new StoreError(`${this.path} was opened for reading; open it with writable: true`);
    checkWrite(this, rows, from);
    await this.#serve(rows, 0, (run) => this.#writeRun(file, run, from));
  }

  /** Waits until everything written is on the disk. */
  async sync(): Promise<void> {
    await this.#open().datasync();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  #open(): FileHandle {
    if (this.#file === undefined)
      throw new StoreError(`the store of ${this.path} was closed; open it again`);
    return this.#file;
  }

  #serve(
    rows: Uint32Array,
    maxGapBytes: number,
    serve: (run: RowRun) => Promise<void>,
  ): Promise<void> {
    const { rowBytes } = this;
    const runs = rowRuns(rows, { rowBytes, maxGapBytes, maxCallBytes: MAX_CALL_BYTES });
    return serveRuns(runs, { maxInFlight: this.#maxInFlight, serve });
  }

  async #readRun(file: FileHandle, run: RowRun, into: Uint8Array): Promise<void> {
    const { rowBytes } = this;
    const start = this.#offset + run.firstRow * rowBytes;
    const length = (run.lastRow - run.firstRow + 1) * rowBytes;
    const here = length > MAX_READ_NOW ? undefined : pageCacheReader()?.(file.fd, start, length);
    if (here !== undefined) return dealOutRun(run, here, { into, rowBytes });
    const buffer = new Uint8Array(length);
    for (let done = 0; done < buffer.length;) {
      const { bytesRead } = await file
        .read(buffer, done, buffer.length - done, start + done)
        .catch((cause: unknown) => this.#fail("read", run, cause));
      if (bytesRead === 0)
        throw new StoreError(
          `${this.path} ends at byte ${start + done}, in the middle of rows ${run.firstRow}..` +
            `${run.lastRow}; it has shrunk since it was opened`,
        );
      done += bytesRead;
    }
    dealOutRun(run, buffer, { into, rowBytes });
  }

  async #writeRun(file: FileHandle, run: RowRun, from: Uint8Array): Promise<void> {
    const { rowBytes } = this;
    const start = this.#offset + run.firstRow * rowBytes;
    const buffer = new Uint8Array((run.lastRow - run.firstRow + 1) * rowBytes);
    for (const [i, place] of run.places.entries())
      buffer.set(
        from.subarray(place * rowBytes, (place + 1) * rowBytes),
        (run.rows[i]! - run.firstRow) * rowBytes,
      );
    for (let done = 0; done < buffer.length;) {
      const { bytesWritten } = await file
        .write(buffer, done, buffer.length - done, start + done)
        .catch((cause: unknown) => this.#fail("write", run, cause));
      done += bytesWritten;
    }
  }

  #fail(verb: string, { firstRow, lastRow }: RowRun, cause: unknown): never {
    throw new StoreError(
      `${this.path}: cannot ${verb} rows ${firstRow}..${lastRow}: ${messageOf(cause)}`,
      { cause },
    );
  }
}

async function openFile(path: string, flags: number): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (cause) {
    throw new StoreError(`cannot open the table ${path}: ${messageOf(cause)}`, { cause });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
