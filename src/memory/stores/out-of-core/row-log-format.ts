/**
 * The format of the row log: a file to which new versions of rows are appended, and in which no version is
 * overwritten while it may be needed. Builds and checks header and record bytes; reads and writes no files. Does not
 * know which record of a row is the newest: a map of rows says that.
 *
 * Everything is little endian. Version 1:
 *
 *     offset  bytes  content
 *     0       8      89 45 4e 47 4c 4f 47 0a  ("\x89ENGLOG\n": a text-mode copy would break it)
 *     8       4      version, 1
 *     12      4      bytes of a row
 *     16      4      rows of the table
 *     20      4      records a segment
 *     24      16     random: tells this log from every other
 *     40      4052   zeros
 *     4092    4      CRC-32C of bytes 0..4091
 *     4096    ...    records; slot s (counted from 1; 0 is "no record") at 4096 + (s - 1) * (bytes of a row + 8)
 *
 *     record: the row's bytes; its id (4); CRC-32C of both (4)
 *
 * A record has its row and a checksum, so a torn write, a hole or a wrong map is detected when the record is read.
 * Segments are runs of records that are reused together.
 */
import { FormatError, InvalidConfigError } from "../../../errors.ts";
import { crc32c } from "../../../numerics/index.ts";
import { checkTableSize } from "../../store.ts";

export const LOG_HEADER_BYTES = 4096;
const MAGIC = Uint8Array.of(0x89, 0x45, 0x4e, 0x47, 0x4c, 0x4f, 0x47, 0x0a);
const VERSION = 1;
const HEADER_SUM_AT = LOG_HEADER_BYTES - 4;
const IDENTITY_AT = 24;
export const IDENTITY_BYTES = 16;
/** Bytes of a record besides the row: id and checksum. */
export const RECORD_EXTRA_BYTES = 8;
/** One bit of a location says whether it is a record. */
export const MAX_SLOTS: number = 2 ** 31 - 1;

export interface RowLogSpec {
  readonly numRows: number;
  readonly rowBytes: number;
  readonly recordsPerSegment: number;
  readonly identity: Uint8Array;
}

/** Throws `InvalidConfigError` for tables whose log could not address its records. */
export function checkLogSize({ numRows, rowBytes }: Omit<RowLogSpec, "identity">): void {
  checkTableSize({ numRows, rowBytes });
  // Twice the rows: a row's old version may be kept for a checkpoint beside its new one.
  if (2 * numRows > MAX_SLOTS)
    throw new InvalidConfigError(
      `a table kept in a row log has at most ${Math.floor(MAX_SLOTS / 2)} rows, got ${numRows}; use ` +
        "fewer, longer rows",
    );
}

export function recordBytesOf({ rowBytes }: Pick<RowLogSpec, "rowBytes">): number {
  return rowBytes + RECORD_EXTRA_BYTES;
}

export function slotOffset(slot: number, recordBytes: number): number {
  return LOG_HEADER_BYTES + (slot - 1) * recordBytes;
}

export function encodeLogHeader(spec: RowLogSpec): Uint8Array {
  const bytes = new Uint8Array(LOG_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, spec.rowBytes, true);
  view.setUint32(16, spec.numRows, true);
  view.setUint32(20, spec.recordsPerSegment, true);
  bytes.set(spec.identity, IDENTITY_AT);
  view.setUint32(HEADER_SUM_AT, crc32c(bytes.subarray(0, HEADER_SUM_AT)), true);
  return bytes;
}

/** Throws `FormatError` for anything but a whole header. */
export function parseLogHeader(bytes: Uint8Array): RowLogSpec {
  if (bytes.length < LOG_HEADER_BYTES)
    throw new FormatError(
      `expected a row log's header of ${LOG_HEADER_BYTES} bytes, got ${bytes.length}`,
    );
  const view = new DataView(bytes.buffer, bytes.byteOffset, LOG_HEADER_BYTES);
  if (MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new FormatError("expected a row log, its first bytes are not those of one");
  if (view.getUint32(HEADER_SUM_AT, true) !== crc32c(bytes.subarray(0, HEADER_SUM_AT)))
    throw new FormatError("the row log's header is damaged: it does not match its checksum");
  const version = view.getUint32(8, true);
  if (version !== VERSION)
    throw new FormatError(`expected a row log of version ${VERSION}, got ${version}`);
  return {
    rowBytes: view.getUint32(12, true),
    numRows: view.getUint32(16, true),
    recordsPerSegment: view.getUint32(20, true),
    identity: bytes.slice(IDENTITY_AT, IDENTITY_AT + IDENTITY_BYTES),
  };
}

/** Records back to back in a buffer. */
export class RecordBuffer {
  readonly bytes: Uint8Array;
  readonly recordBytes: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, recordBytes: number) {
    this.bytes = bytes;
    this.recordBytes = recordBytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Completes record `i`, whose row bytes are in place, with its id and checksum. */
  seal(i: number, row: number): void {
    const end = (i + 1) * this.recordBytes;
    this.#view.setUint32(end - 8, row, true);
    this.#view.setUint32(end - 4, this.#sum(end), true);
  }

  /** The row of the record at byte `at`, or -1 if there is no undamaged record. */
  rowAt(at: number): number {
    const end = at + this.recordBytes;
    return this.#view.getUint32(end - 4, true) === this.#sum(end)
      ? this.#view.getUint32(end - 8, true)
      : -1;
  }

  #sum(end: number): number {
    return crc32c(this.bytes.subarray(end - this.recordBytes, end - 4));
  }
}
