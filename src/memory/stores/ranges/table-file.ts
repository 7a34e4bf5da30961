/**
 * A table file (`memory/table-file.ts`) as a store over any byte ranges. Opening reads the header. Blocks of rows are
 * checked against their checksums: on a local disk when one of their rows is first read, elsewhere at each read. An
 * error for damage names the file, the block and its rows. Read only. Knows nothing of what rows hold.
 */
import { FormatError, StoreError } from "../../../errors.ts";
import { refuseForeign } from "../../../foreign-file.ts";
import { linearCrc32c } from "../../../numerics/index.ts";
import { checkRead, type RowStore } from "../../store.ts";
import {
  checkTableFile,
  parseTableHeader,
  TABLE_HEADER_BYTES,
  type TableFileHeader,
  type TableIdentity,
} from "../../table-file.ts";
import type { ByteRanges } from "../../../bytes/index.ts";
import { rowsInRanges } from "./rows-in-ranges.ts";
import type { RowCounts } from "../cache/cache-options.ts";
import { serveRuns } from "./row-runs.ts";

export interface OpenTableOptions {
  /** What the table must be; each given part is compared. */
  readonly expected?: Partial<TableIdentity>;
  /** Memory for cached checksums. 64 MiB are the checksums of 64 GiB of rows. */
  readonly checksumBytes?: number;
}

export interface TableStoreOptions extends OpenTableOptions {
  /** Blocks that were checked once need no second check. */
  readonly isTrusted: boolean;
}

/** Checksums in a page; they are read by pages. */
const PAGE_SUMS = 1024;
/** Bytes of the blocks that are read and checked at a time. */
const BATCH_BYTES = 4 * 2 ** 20;
/** Lists are read in pieces of this many bytes. */
const PIECE_BYTES = 1 << 20;
/** Hot rows that are read from the list. */
const MOST_HOT = 2 ** 20;
const DAMAGED_SUMS = "the list of checksums is damaged; rows can no longer be checked";

/** Throws `FormatError`, by name, for anything but a whole table file of the right kind. Owns `ranges`. */
export async function openTableStore(
  ranges: ByteRanges,
  options: TableStoreOptions,
): Promise<TableFileStore> {
  const start = new Uint8Array(Math.min(ranges.size, TABLE_HEADER_BYTES));
  try {
    await ranges.read(0, start);
    const header = parseTableHeader(start, ranges.size);
    if (options.expected !== undefined) checkTableFile(header, options.expected);
    const store = new TableFileStore(ranges, { ...options, header });
    // A short list of checksums is itself checked at once.
    if (4 * header.numBlocks <= PIECE_BYTES && !(await store.checksumsAreWhole()))
      throw new FormatError(DAMAGED_SUMS);
    return store;
  } catch (cause) {
    await ranges.close();
    if (!(cause instanceof FormatError)) throw cause;
    refuseForeign(ranges.name, start, "a table file");
    throw new FormatError(`${ranges.name}: ${cause.message}`, { cause });
  }
}

export class TableFileStore implements RowStore {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly header: TableFileHeader;
  readonly #ranges: ByteRanges;
  readonly #rows: RowStore;
  /** One bit for each checked block. Empty where blocks are checked at each read. */
  readonly #isChecked: Uint8Array;
  /** Pages of checksums, oldest first. */
  readonly #pages = new Map<number, Promise<Uint32Array>>();
  readonly #maxPages: number;
  readonly #batchBlocks: number;

  /** Use `openTableStore`, which checks the header. */
  constructor(
    ranges: ByteRanges,
    options: TableStoreOptions & { readonly header: TableFileHeader },
  ) {
    const { header, isTrusted, checksumBytes = 64 * 2 ** 20 } = options;
    const { numRows, rowBytes, rowsAt: offset, rowsPerBlock } = header;
    this.numRows = numRows;
    this.rowBytes = rowBytes;
    this.header = header;
    this.#ranges = ranges;
    this.#rows = rowsInRanges(ranges, { numRows, rowBytes, offset });
    this.#isChecked = new Uint8Array(isTrusted ? Math.ceil(header.numBlocks / 8) : 0);
    this.#maxPages = Math.max(1, Math.floor(checksumBytes / (4 * PAGE_SUMS)));
    this.#batchBlocks = Math.max(1, Math.floor(BATCH_BYTES / (rowsPerBlock * rowBytes)));
  }

  async read(rows: Uint32Array, into: Uint8Array): Promise<void> {
    const { rowsPerBlock } = this.header;
    const unchecked = new Set<number>();
    // The inner reads refuse rows out of range, and everything after `close`.
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
    for (let first = 0; first < blocks.length; first += this.#batchBlocks)
      await this.#readAndCheck(blocks.subarray(first, first + this.#batchBlocks), asked, into);
    if (known.length > 0) await this.#readPlaces(known, asked, into);
  }

  /** The most used rows when the table was written, most used first. For warming a cache. */
  async hotRows(): Promise<RowCounts> {
    const { numHot, hotAt, hotSum } = this.header;
    const most = Math.min(numHot, MOST_HOT);
    const kept = new Uint8Array(8 * most);
    const sum = await this.#sumOf(hotAt, 8 * numHot, (piece, at) => {
      if (at < kept.length) kept.set(piece.subarray(0, kept.length - at), at);
    });
    if (sum !== hotSum)
      throw new StoreError(
        `${this.#ranges.name}: the list of hot rows is damaged; the rows are not`,
      );
    const pairs = new Uint32Array(kept.buffer);
    return {
      rows: Uint32Array.from({ length: most }, (_, i) => pairs[2 * i]!),
      counts: Uint32Array.from({ length: most }, (_, i) => pairs[2 * i + 1]!),
    };
  }

  /** Reads every row once and checks it. Throws `StoreError` that names the first damaged block. */
  async verify(): Promise<void> {
    if (!(await this.checksumsAreWhole()))
      throw new StoreError(`${this.#ranges.name}: ${DAMAGED_SUMS}`);
    await this.hotRows();
    for (let first = 0; first < this.header.numBlocks; first += this.#batchBlocks) {
      const length = Math.min(this.#batchBlocks, this.header.numBlocks - first);
      const blocks = Uint32Array.from({ length }, (_, i) => first + i);
      await this.#readAndCheck(blocks, new Uint32Array(0), new Uint8Array(0));
    }
  }

  /** Whether the list of checksums is undamaged. */
  async checksumsAreWhole(): Promise<boolean> {
    const { numBlocks, checksumsAt, checksumsSum } = this.header;
    return (await this.#sumOf(checksumsAt, 4 * numBlocks)) === checksumsSum;
  }

  close(): Promise<void> {
    return this.#rows.close();
  }

  #checked(block: number): boolean {
    return (((this.#isChecked[block >>> 3] ?? 0) >>> (block & 7)) & 1) === 1;
  }

  /** Reads whole blocks (in ascending order), checks them, and copies those of `rows` that are in them. */
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
    await this.#loadSums(blocks);
    for (const [block, start] of starts) {
      const size = Math.min(rowsPerBlock, numRows - block * rowsPerBlock);
      const found = linearCrc32c(bytes.subarray(start * rowBytes, (start + size) * rowBytes));
      const expected = (await this.#page(Math.floor(block / PAGE_SUMS)))[block % PAGE_SUMS]!;
      if (found !== expected) this.#refuse(block, size);
      // Has no effect where blocks are checked at each read: the array is empty then.
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

  /** Reads the pages together, not one after another. */
  async #loadSums(blocks: Uint32Array): Promise<void> {
    const numbers = new Set(Array.from(blocks, (block) => Math.floor(block / PAGE_SUMS)));
    const missing = [...numbers].filter((number) => !this.#pages.has(number));
    await serveRuns(missing.slice(0, this.#maxPages), {
      maxInFlight: this.#ranges.maxInFlight,
      serve: async (number) => void (await this.#page(number)),
    });
  }

  #page(number: number): Promise<Uint32Array> {
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = this.#readPage(number);
      if (this.#pages.size >= this.#maxPages) this.#pages.delete(this.#pages.keys().next().value!);
      this.#pages.set(number, page);
      // A failed page is read again the next time.
      page.catch(() => this.#pages.delete(number));
    }
    return page;
  }

  async #readPage(number: number): Promise<Uint32Array> {
    const { numBlocks, checksumsAt } = this.header;
    const first = number * PAGE_SUMS;
    const page = new Uint32Array(Math.min(PAGE_SUMS, numBlocks - first));
    await this.#ranges.read(checksumsAt + 4 * first, new Uint8Array(page.buffer));
    return page;
  }

  /** The checksum of `length` bytes. `look` gets them piece by piece, each with its offset. */
  async #sumOf(
    from: number,
    length: number,
    look?: (piece: Uint8Array, at: number) => void,
  ): Promise<number> {
    const piece = new Uint8Array(Math.min(length, PIECE_BYTES));
    let sum = 0;
    for (let at = 0; at < length; at += piece.length) {
      const part = piece.subarray(0, length - at);
      await this.#ranges.read(from + at, part);
      sum = linearCrc32c(part, sum);
      look?.(part, at);
    }
    return sum;
  }

  #refuse(block: number, size: number): never {
    const { rowsPerBlock, rowsAt } = this.header;
    const first = block * rowsPerBlock;
    const begin = rowsAt + first * this.rowBytes;
    throw new StoreError(
      `${this.#ranges.name}: block ${block} (rows ${first}..${first + size - 1}, bytes ${begin}..` +
        `${begin + size * this.rowBytes - 1}) does not match its checksum; the table is damaged there, ` +
        "copy or write it again",
    );
  }
}
