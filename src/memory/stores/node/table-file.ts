/**
 * A table file (`memory/table-file.ts`) as a store. Opening reads the header; a block of rows is checked
 * against its checksum the first time one of its rows is read, and trusted from then on. Damage is refused
 * with the file, the block and its rows. Read only. Knows nothing of what rows hold.
 */
import { type FileHandle, open } from "node:fs/promises";
import { FormatError, StoreError } from "../../../errors.ts";
import { refuseForeign } from "../../../foreign-file.ts";
import { linearCrc32c } from "../../../numerics/index.ts";
import { checkRead, type RowStore } from "../../store.ts";
import {
  checkTableFile,
  parseTableHeader,
  TABLE_HEADER_BYTES,
  type TableFileHeader,
} from "../../table-file.ts";
import type { RowCounts } from "../cache-options.ts";
import { FileStore } from "./file.ts";

export interface OpenTableOptions {
  /** What the table must be; each given part is compared. */
  readonly expected?: Parameters<typeof checkTableFile>[1];
  readonly maxInFlight?: number;
  /** Memory for checksums that were read; 64 MiB are those of 64 GiB of rows. */
  readonly checksumBytes?: number;
}

/** Checksums are read by pages of this many. */
const PAGE_SUMS = 1024;
/** Blocks checked together, at 4 KiB each. */
const BATCH_BLOCKS = 1024;
/** A list of checksums up to this size is itself checked when the file is opened. */
const CHECK_AT_OPEN_BYTES = 1 << 20;
const DAMAGED_SUMS = "the list of checksums is damaged; rows can no longer be checked";

/** Throws `FormatError`, with the file's name, for anything but a whole table file of the right kind. */
export async function openTableFile(
  path: string,
  options: OpenTableOptions = {},
): Promise<TableFileStore> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    throw new StoreError(`cannot open the table ${path}: ${(cause as Error).message}`, { cause });
  }
  let start = new Uint8Array(0);
  try {
    const { size } = await file.stat();
    start = new Uint8Array(Math.min(size, TABLE_HEADER_BYTES));
    await readAt(file, start, 0);
    const header = parseTableHeader(start, size);
    if (options.expected !== undefined) checkTableFile(header, options.expected);
    const store = new TableFileStore(path, file, { ...options, header });
    if (4 * header.numBlocks <= CHECK_AT_OPEN_BYTES && !(await store.checksumsAreWhole()))
      throw new FormatError(DAMAGED_SUMS);
    return store;
  } catch (cause) {
    await file.close();
    if (!(cause instanceof FormatError)) throw cause;
    refuseForeign(path, start, "a table file");
    throw new FormatError(`${path}: ${cause.message}`, { cause });
  }
}

export class TableFileStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly path: string;
  readonly header: TableFileHeader;
  readonly #file: FileHandle;
  readonly #rows: FileStore;
  /** One bit a block. */
  readonly #isChecked: Uint8Array;
  /** Pages of checksums, oldest first. */
  readonly #pages = new Map<number, Promise<Uint32Array>>();
  readonly #maxPages: number;

  /** Use `openTableFile`, which checks the header. Owns `file` from now on. */
  constructor(
    path: string,
    file: FileHandle,
    options: OpenTableOptions & { readonly header: TableFileHeader },
  ) {
    const { header, maxInFlight, checksumBytes = 64 * 2 ** 20 } = options;
    const { numRows, rowBytes, rowsAt: offset } = header;
    this.numRows = numRows;
    this.rowBytes = rowBytes;
    this.path = path;
    this.header = header;
    this.#file = file;
    this.#rows = new FileStore(path, file, {
      numRows,
      rowBytes,
      offset,
      ...(maxInFlight !== undefined && { maxInFlight }),
    });
    this.#isChecked = new Uint8Array(Math.ceil(header.numBlocks / 8));
    this.#maxPages = Math.max(1, Math.floor(checksumBytes / (4 * PAGE_SUMS)));
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    const { rowsPerBlock } = this.header;
    const unchecked = new Set<number>();
    // Out of range rows are the file store's to refuse, as is everything once it is closed.
    for (const row of rows)
      if (row < this.numRows && !this.#checked(Math.floor(row / rowsPerBlock)))
        unchecked.add(Math.floor(row / rowsPerBlock));
    if (unchecked.size === 0) return this.#rows.read(rows, into);
    checkRead(this, rows, into);
    const asked = rows.slice();
    const blocks = Uint32Array.from(unchecked).toSorted();
    const known: number[] = [];
    for (const [place, row] of asked.entries())
      if (!unchecked.has(Math.floor(row / rowsPerBlock))) known.push(place);
    for (let first = 0; first < blocks.length; first += BATCH_BLOCKS)
      await this.#readAndCheck(blocks.subarray(first, first + BATCH_BLOCKS), asked, into);
    if (known.length > 0) await this.#readPlaces(known, asked, into);
  }

  /** The rows that were used most when the table was written, most used first; to warm a cache. */
  async hotRows(): Promise<RowCounts> {
    const { numHot, hotAt, hotSum } = this.header;
    const bytes = new Uint8Array(8 * numHot);
    await readAt(this.#file, bytes, hotAt);
    if (linearCrc32c(bytes) !== hotSum)
      throw new StoreError(`${this.path}: the list of hot rows is damaged; the rows are not`);
    const pairs = new Uint32Array(bytes.buffer);
    return {
      rows: Uint32Array.from({ length: numHot }, (_, i) => pairs[2 * i]!),
      counts: Uint32Array.from({ length: numHot }, (_, i) => pairs[2 * i + 1]!),
    };
  }

  /** Reads every row once and checks it. Throws `StoreError` that names the first damaged block. */
  async verify(): Promise<void> {
    if (!(await this.checksumsAreWhole())) throw new StoreError(`${this.path}: ${DAMAGED_SUMS}`);
    await this.hotRows();
    for (let first = 0; first < this.header.numBlocks; first += BATCH_BLOCKS) {
      const length = Math.min(BATCH_BLOCKS, this.header.numBlocks - first);
      const blocks = Uint32Array.from({ length }, (_, i) => first + i);
      await this.#readAndCheck(blocks, new Uint32Array(0), new Uint8Array(0));
    }
  }

  /** Whether the list of checksums is as it was written. */
  async checksumsAreWhole(): Promise<boolean> {
    const { numBlocks, checksumsAt, checksumsSum } = this.header;
    const bytes = new Uint8Array(4 * numBlocks);
    await readAt(this.#file, bytes, checksumsAt);
    return linearCrc32c(bytes) === checksumsSum;
  }

  close(): Promise<void> {
    return this.#rows.close();
  }

  #checked(block: number): boolean {
    return ((this.#isChecked[block >>> 3]! >>> (block & 7)) & 1) === 1;
  }

  /** Reads whole blocks (rising), checks them, and copies those of `rows` that lie in them. */
  async #readAndCheck(blocks: Uint32Array, rows: Uint32Array, into: Uint8Array): Promise<void> {
    const { rowsPerBlock } = this.header;
    const { rowBytes, numRows } = this;
    const starts = new Map<number, number>();
    const ids: number[] = [];
    for (const block of blocks) {
      starts.set(block, ids.length);
      const end = Math.min((block + 1) * rowsPerBlock, numRows);
      for (let row = block * rowsPerBlock; row < end; row++) ids.push(row);
    }
    const bytes = new Uint8Array(ids.length * rowBytes);
    await this.#rows.read(Uint32Array.from(ids), bytes);
    for (const [block, start] of starts) {
      const size = Math.min(rowsPerBlock, numRows - block * rowsPerBlock);
      const found = linearCrc32c(bytes.subarray(start * rowBytes, (start + size) * rowBytes));
      const expected = await this.#checksum(block);
      if (found !== expected) this.#refuse(block, size);
      this.#isChecked[block >>> 3]! |= 1 << (block & 7);
    }
    for (const [place, row] of rows.entries()) {
      const block = Math.floor(row / rowsPerBlock);
      const start = starts.get(block);
      if (start === undefined) continue;
      const at = (start + row - block * rowsPerBlock) * rowBytes;
      into.set(bytes.subarray(at, at + rowBytes), place * rowBytes);
    }
  }

  async #readPlaces(places: readonly number[], rows: Uint32Array, into: Uint8Array): Promise<void> {
    const { rowBytes } = this;
    const bytes = new Uint8Array(places.length * rowBytes);
    await this.#rows.read(
      Uint32Array.from(places, (place) => rows[place]!),
      bytes,
    );
    for (const [i, place] of places.entries())
      into.set(bytes.subarray(i * rowBytes, (i + 1) * rowBytes), place * rowBytes);
  }

  async #checksum(block: number): Promise<number> {
    const number = Math.floor(block / PAGE_SUMS);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = this.#readPage(number);
      if (this.#pages.size >= this.#maxPages) this.#pages.delete(this.#pages.keys().next().value!);
      this.#pages.set(number, page);
      // What failed is read anew the next time.
      page.catch(() => this.#pages.delete(number));
    }
    return (await page)[block % PAGE_SUMS]!;
  }

  async #readPage(number: number): Promise<Uint32Array> {
    const { numBlocks, checksumsAt } = this.header;
    const first = number * PAGE_SUMS;
    const page = new Uint32Array(Math.min(PAGE_SUMS, numBlocks - first));
    await readAt(this.#file, new Uint8Array(page.buffer), checksumsAt + 4 * first);
    return page;
  }

  #refuse(block: number, size: number): never {
    const { rowsPerBlock, rowsAt } = this.header;
    const first = block * rowsPerBlock;
    const begin = rowsAt + first * this.rowBytes;
    throw new StoreError(
      `${this.path}: block ${block} (rows ${first}..${first + size - 1}, bytes ${begin}..` +
        `${begin + size * this.rowBytes - 1}) does not match its checksum; the file is damaged there, ` +
        "copy or write it again",
    );
  }
}

async function readAt(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await file
      .read(into, done, into.length - done, position + done)
      .catch((cause: Error) => {
        throw new StoreError(`cannot read byte ${position + done}: ${cause.message}`, { cause });
      });
    if (bytesRead === 0) throw new StoreError(`the file ends at byte ${position + done}`);
    done += bytesRead;
  }
}
