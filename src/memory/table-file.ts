/**
 * The table file: all rows of one layer in one file that can be read in place. Builds and checks header
 * bytes and says what lies where; reads and writes no files, knows no stores and no tokens.
 *
 * Everything is little endian. Version 1:
 *
 *     offset  bytes  content
 *     0       8      89 45 4e 47 54 42 4c 0a  ("\x89ENGTBL\n": a text-mode copy would break it)
 *     8       4      version, 1
 *     12      4      state: 0 while being written, 1 once everything below is on disk
 *     16      8      row format, ASCII, filled with zeros: f32, bf16, fp8, int8 or int4 (row-format.ts)
 *     24      4      values a row
 *     28      4      bytes a row
 *     32      4      rows
 *     36      4      decoder layer, 0xffffffff if it belongs to none
 *     40      4      rows a block
 *     44      4      hot rows
 *     48      32     SHA-256 of the layer's hash constants (`hashConstantsDigest`); zeros if none
 *     80      8      offset of the checksums: 4096
 *     88      8      offset of the hot rows: right after the checksums
 *     96      8      offset of the rows: the next multiple of 4096
 *     104     8      bytes of the whole file
 *     112     4      sum of the hot rows' bytes
 *     116     4      sum of the checksums' bytes
 *     120     3972   zeros
 *     4092    4      CRC-32C of bytes 0..4091
 *     4096    4·b    checksums: for each of the b = ceil(rows / rows a block) blocks, its sum
 *     ...     8·h    hot rows, most used first: row (4), how often it was used (4)
 *     ...            zeros up to a multiple of 4096
 *     rows    n·r    row i at (offset of the rows) + i · (bytes a row)
 *
 * "Sum" is CRC-32C without the first and last inversion, so zeros have sum 0: a table whose rows were never written
 * is a header and a hole in the file, whatever its size. A block has whole rows, about 4 KiB and at most 1 MiB: to
 * read a row, a reader reads its block in one call and checks it. Scales lie in the row, so one row is one read.
 */
import { FormatError, InvalidConfigError } from "../errors.ts";
import { crc32c } from "../numerics/index.ts";
import type { LayerConstants } from "./layout.ts";
import { isRowFormatName, type RowFormat, rowFormat, type RowFormatName } from "./row-format.ts";
import { checkTableSize } from "./store.ts";

export const TABLE_HEADER_BYTES = 4096;
const MAGIC = Uint8Array.of(0x89, 0x45, 0x4e, 0x47, 0x54, 0x42, 0x4c, 0x0a);
const VERSION = 1;
const PAGE_BYTES = 4096;
/** A reader must hold a whole block to check it, so a header may not ask for more. */
const MAX_BLOCK_BYTES = 2 ** 20;
const NO_LAYER = 0xffffffff;
const HEADER_SUM_AT = TABLE_HEADER_BYTES - 4;
const FORMAT_NAME_BYTES = 8;
export const DIGEST_BYTES = 32;

/** Identifies a table, wherever it is stored. */
export interface TableIdentity {
  readonly format: RowFormatName;
  readonly headDim: number;
  readonly numRows: number;
  readonly layerId: number | undefined;
  /** SHA-256 of the layer's hash constants, or zeros. */
  readonly digest: Uint8Array;
}

export interface TableFileSpec extends TableIdentity {
  readonly numHot: number;
  readonly rowsPerBlock: number;
}

/** A table and where its parts lie, in bytes from the file's start. */
export interface TableFileLayout extends TableFileSpec {
  readonly rowBytes: number;
  readonly numBlocks: number;
  readonly checksumsAt: number;
  readonly hotAt: number;
  readonly rowsAt: number;
  readonly fileBytes: number;
}

export interface TableFileHeader extends TableFileLayout {
  readonly isSealed: boolean;
  readonly hotSum: number;
  readonly checksumsSum: number;
}

/** As many rows as fill a page: a disk reads that much in any case. */
export function defaultRowsPerBlock(rowBytes: number): number {
  return Math.max(1, Math.floor(PAGE_BYTES / rowBytes));
}

export function layoutTableFile(spec: TableFileSpec): TableFileLayout {
  const { numRows, rowsPerBlock, numHot, digest } = spec;
  const { rowBytes }: RowFormat = rowFormat(spec.format, spec.headDim);
  checkTableSize({ numRows, rowBytes });
  if (digest.length !== DIGEST_BYTES)
    throw new InvalidConfigError(`a digest has ${DIGEST_BYTES} bytes, got ${digest.length}`);
  if (!Number.isInteger(rowsPerBlock) || rowsPerBlock < 1)
    throw new InvalidConfigError(`a block has at least one row, got ${rowsPerBlock}`);
  if (rowsPerBlock * rowBytes > MAX_BLOCK_BYTES)
    throw new InvalidConfigError(
      `a block has at most ${MAX_BLOCK_BYTES} bytes, got ${rowsPerBlock} rows of ${rowBytes} bytes`,
    );
  if (!Number.isInteger(numHot) || numHot < 0 || numHot > numRows)
    throw new InvalidConfigError(`a table of ${numRows} rows cannot have ${numHot} hot rows`);
  const numBlocks = Math.ceil(numRows / rowsPerBlock);
  const hotAt = TABLE_HEADER_BYTES + 4 * numBlocks;
  const rowsAt = Math.ceil((hotAt + 8 * numHot) / PAGE_BYTES) * PAGE_BYTES;
  return {
    ...spec,
    rowBytes,
    numBlocks,
    checksumsAt: TABLE_HEADER_BYTES,
    hotAt,
    rowsAt,
    fileBytes: rowsAt + numRows * rowBytes,
  };
}

export function encodeTableHeader(header: TableFileHeader): Uint8Array {
  const bytes = new Uint8Array(TABLE_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, header.isSealed ? 1 : 0, true);
  bytes.set(new TextEncoder().encode(header.format), 16);
  const words = [
    header.headDim,
    header.rowBytes,
    header.numRows,
    header.layerId ?? NO_LAYER,
    header.rowsPerBlock,
    header.numHot,
  ];
  for (const [i, word] of words.entries()) view.setUint32(24 + 4 * i, word, true);
  bytes.set(header.digest, 48);
  const places = [header.checksumsAt, header.hotAt, header.rowsAt, header.fileBytes];
  for (const [i, place] of places.entries()) view.setBigUint64(80 + 8 * i, BigInt(place), true);
  view.setUint32(112, header.hotSum, true);
  view.setUint32(116, header.checksumsSum, true);
  view.setUint32(HEADER_SUM_AT, crc32c(bytes.subarray(0, HEADER_SUM_AT)), true);
  return bytes;
}

/**
 * Reads the first 4,096 bytes of a file that is `fileBytes` long. Throws `FormatError` that says what is
 * inconsistent.
 */
export function parseTableHeader(bytes: Uint8Array, fileBytes: number): TableFileHeader {
  if (bytes.length < TABLE_HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new FormatError(
      bytes.length >= MAGIC.length && MAGIC.every((byte, i) => bytes[i] === byte)
        ? `truncated: a table file begins with ${TABLE_HEADER_BYTES} bytes of header, got ${bytes.length}`
        : "not a table file: its first eight bytes are others",
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, TABLE_HEADER_BYTES);
  const version = view.getUint32(8, true);
  const sum = crc32c(bytes.subarray(0, HEADER_SUM_AT));
  // The version comes before the checksum, because a later version may compute it in another way. The
  // message names both causes.
  if (version !== VERSION)
    throw new FormatError(
      `a table file of version ${version}, this program reads ${VERSION}` +
        (sum === view.getUint32(HEADER_SUM_AT, true)
          ? ""
          : " (and its header's checksum is wrong)"),
    );
  if (sum !== view.getUint32(HEADER_SUM_AT, true))
    throw new FormatError(
      `the header's checksum is ${hex(view.getUint32(HEADER_SUM_AT, true))}, its bytes give ${hex(sum)}; ` +
        "the header is damaged",
    );
  const state = view.getUint32(12, true);
  if (state !== 1)
    throw new FormatError(
      "the program that wrote this table did not finish; its rows are not all there, write it again",
    );
  const layout = layoutTableFile(readSpec(bytes, view));
  const claimed = [80, 88, 96, 104].map((at) => view.getBigUint64(at, true));
  const places = [layout.checksumsAt, layout.hotAt, layout.rowsAt, layout.fileBytes];
  if (
    view.getUint32(28, true) !== layout.rowBytes ||
    places.some((p, i) => BigInt(p) !== claimed[i])
  )
    throw new FormatError(
      `${layout.numRows} rows of ${layout.headDim} values as ${layout.format} should lie at ` +
        `${places.join(", ")}, the header says ${claimed.join(", ")}`,
    );
  if (fileBytes !== layout.fileBytes)
    throw new FormatError(
      `${fileBytes < layout.fileBytes ? "truncated" : "too long"}: ${layout.numRows} rows of ` +
        `${layout.rowBytes} bytes make a file of ${layout.fileBytes} bytes, this one has ${fileBytes}`,
    );
  return {
    ...layout,
    isSealed: true,
    hotSum: view.getUint32(112, true),
    checksumsSum: view.getUint32(116, true),
  };
}

function readSpec(bytes: Uint8Array, view: DataView): TableFileSpec {
  const name = bytes.subarray(16, 16 + FORMAT_NAME_BYTES);
  const end = name.indexOf(0);
  const format = String.fromCharCode(...(end < 0 ? name : name.subarray(0, end)));
  if (!isRowFormatName(format))
    throw new FormatError(`its rows are of format ${JSON.stringify(format)}, which is unknown`);
  const layerId = view.getUint32(36, true);
  const spec = {
    format,
    headDim: view.getUint32(24, true),
    numRows: view.getUint32(32, true),
    layerId: layerId === NO_LAYER ? undefined : layerId,
    rowsPerBlock: view.getUint32(40, true),
    numHot: view.getUint32(44, true),
    digest: bytes.slice(48, 48 + DIGEST_BYTES),
  };
  try {
    layoutTableFile(spec);
  } catch (cause) {
    throw new FormatError(`its header makes no sense: ${(cause as Error).message}`, { cause });
  }
  return spec;
}

/** SHA-256 of the constants' JSON (`hashConstants`). Tables with equal digests have equal addresses. */
export async function hashConstantsDigest(constants: LayerConstants): Promise<Uint8Array> {
  const { layer, multipliers, primes, offsets, rows } = constants;
  const text = JSON.stringify({ layer, multipliers, primes, offsets, rows });
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Throws `FormatError` unless the table is the expected one. */
export function checkTableFile(table: TableIdentity, expected: Partial<TableIdentity>): void {
  for (const key of ["format", "headDim", "numRows", "layerId"] as const)
    if (expected[key] !== undefined && expected[key] !== table[key])
      throw new FormatError(
        `expected ${key} ${expected[key]}, the table has ${table[key] ?? "none"}`,
      );
  const { digest } = expected;
  if (digest !== undefined && digest.some((byte, i) => byte !== table.digest[i]))
    throw new FormatError(
      "the table was written for other hash constants: every address would be another, so it does not " +
        "belong to this configuration",
    );
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
