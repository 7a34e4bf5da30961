/**
 * Writes a table file (`memory/table-file.ts`): rows stream in and are checksummed on the way. Until the file is
 * whole and on disk, it has another name and its header says "being written". So neither the rest of a crash nor a
 * copy of the unfinished file is taken for a table. Knows nothing of what rows hold.
 */
import { randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory, writeAt, writeSparse } from "../../../../bytes/node/index.ts";
import { EngramError, InvalidConfigError, StoreError } from "../../../../errors.ts";
import { linearCrc32c } from "../../../../numerics/index.ts";
import {
  defaultRowsPerBlock,
  DIGEST_BYTES,
  encodeTableHeader,
  layoutTableFile,
  type TableFileHeader,
  type TableFileLayout,
} from "../../../table-file.ts";
import { rowFormat, type RowFormatName } from "../../../row-format.ts";
import type { RowCounts } from "../../cache/cache-options.ts";

/** Whole rows, or a number of rows of zeros, which take no space on disk. */
export type RowChunk = Uint8Array | { readonly zeroRows: number };

export interface WriteTableOptions {
  readonly format: RowFormatName;
  readonly headDim: number;
  readonly numRows: number;
  /** From first row to last, in chunks of any size. */
  readonly rows: Iterable<RowChunk> | AsyncIterable<RowChunk>;
  readonly layerId?: number | undefined;
  readonly digest?: Uint8Array;
  /** Rows to warm a cache with, and how often they were used. */
  readonly hot?: RowCounts;
  readonly rowsPerBlock?: number;
}

/** Throws `StoreError`, for example when the disk is full. An older file at `path` is then unchanged. */
export async function writeTableFile(
  path: string,
  options: WriteTableOptions,
): Promise<TableFileHeader> {
  const { format, headDim, numRows, layerId, hot, digest = new Uint8Array(DIGEST_BYTES) } = options;
  const { rowBytes } = rowFormat(format, headDim);
  const layout = layoutTableFile({
    format,
    headDim,
    numRows,
    layerId,
    digest,
    numHot: hot?.rows.length ?? 0,
    rowsPerBlock: options.rowsPerBlock ?? defaultRowsPerBlock(rowBytes),
  });
  const hotBytes = encodeHot(hot, numRows);
  const partial = `${path}.tmp-${process.pid}-${randomBytes(4).toString("hex")}`;
  try {
    await mkdir(dirname(path), { recursive: true });
    const file = await open(partial, "wx");
    let header: TableFileHeader;
    try {
      header = await writeParts(file, { layout, hotBytes, rows: options.rows });
    } finally {
      await file.close();
    }
    await rename(partial, path);
    await syncDirectory(dirname(path));
    return header;
  } catch (cause) {
    await rm(partial, { force: true });
    if (cause instanceof EngramError || (cause as NodeJS.ErrnoException).code === undefined)
      throw cause;
    throw new StoreError(
      `writing the table ${path} failed: ${(cause as Error).message}; nothing saved before was changed`,
      { cause },
    );
  }
}

interface Parts {
  readonly layout: TableFileLayout;
  readonly hotBytes: Uint8Array;
  readonly rows: WriteTableOptions["rows"];
}

async function writeParts(
  file: FileHandle,
  { layout, hotBytes, rows }: Parts,
): Promise<TableFileHeader> {
  const unfinished = { ...layout, isSealed: false, hotSum: 0, checksumsSum: 0 };
  await writeAt(file, encodeTableHeader(unfinished), 0);
  const checksums = await writeRows(file, layout, rows);
  const checksumBytes = new Uint8Array(checksums.buffer);
  await writeSparse(file, checksumBytes, layout.checksumsAt);
  await writeAt(file, hotBytes, layout.hotAt);
  await file.truncate(layout.fileBytes);
  await file.sync();
  const header = {
    ...layout,
    isSealed: true,
    hotSum: linearCrc32c(hotBytes),
    checksumsSum: linearCrc32c(checksumBytes),
  };
  await writeAt(file, encodeTableHeader(header), 0);
  await file.sync();
  return header;
}

/** Writes the rows and returns each block's sum. Blocks of zeros are left out. */
async function writeRows(
  file: FileHandle,
  layout: TableFileLayout,
  rows: WriteTableOptions["rows"],
): Promise<Uint32Array> {
  const { rowBytes, numRows, rowsAt, rowsPerBlock } = layout;
  const sums = new Uint32Array(layout.numBlocks);
  const block = new Uint8Array(rowsPerBlock * rowBytes);
  const total = numRows * rowBytes;
  let at = 0;
  const finishBlock = async (): Promise<void> => {
    const index = Math.ceil(at / block.length) - 1;
    const bytes = block.subarray(0, at - index * block.length);
    sums[index] = linearCrc32c(bytes);
    // A block that is not zero has the sum 0 once in 2^32. It is written, too.
    if (sums[index] !== 0 || bytes.some((byte) => byte !== 0))
      await writeAt(file, bytes, rowsAt + index * block.length);
    block.fill(0);
  };
  for await (const chunk of rows) {
    const length = chunk instanceof Uint8Array ? chunk.length : chunk.zeroRows * rowBytes;
    if (at + length > total)
      throw new InvalidConfigError(`the table ${wrongSize(numRows, rowBytes)} were given more`);
    for (let done = 0; done < length;) {
      const inBlock = at % block.length;
      // Whole blocks of zeros need no work, however many there are.
      if (!(chunk instanceof Uint8Array) && inBlock === 0 && length - done >= block.length) {
        const whole = Math.floor((length - done) / block.length) * block.length;
        at += whole;
        done += whole;
        continue;
      }
      const size = Math.min(block.length - inBlock, length - done);
      if (chunk instanceof Uint8Array) block.set(chunk.subarray(done, done + size), inBlock);
      at += size;
      done += size;
      if (at % block.length === 0) await finishBlock();
    }
  }
  if (at !== total)
    throw new InvalidConfigError(`the table ${wrongSize(numRows, rowBytes)} were given ${at}`);
  if (at % block.length !== 0) await finishBlock();
  return sums;
}

function wrongSize(numRows: number, rowBytes: number): string {
  return `of ${numRows} rows of ${rowBytes} bytes needs ${numRows * rowBytes} bytes of rows; there`;
}

function encodeHot(hot: RowCounts | undefined, numRows: number): Uint8Array {
  if (hot === undefined) return new Uint8Array(0);
  const { rows, counts } = hot;
  if (rows.length !== counts.length || rows.some((row) => row >= numRows))
    throw new InvalidConfigError(
      `hot rows are rows of the table with a count each; got ${rows.length} rows, ${counts.length} ` +
        `counts, and ${numRows} rows in the table`,
    );
  const order = Array.from(rows, (_, i) => i).toSorted((a, b) => counts[b]! - counts[a]!);
  return new Uint8Array(Uint32Array.from(order.flatMap((i) => [rows[i]!, counts[i]!])).buffer);
}
