/**
 * The file of a row log: appends records, reads records by slot, checks each. Neighbouring slots share a call, and
 * several calls are in flight at once. Does not know which record of a row is the newest, nor when a slot may be
 * reused: that is for `LogSegments`.
 */
import { randomBytes } from "node:crypto";
import { EngramError, FormatError, StoreError } from "../../../../errors.ts";
import type { LogSegments } from "../log-segments.ts";
import {
  checkLogSize,
  encodeLogHeader,
  IDENTITY_BYTES,
  LOG_HEADER_BYTES,
  parseLogHeader,
  RecordBuffer,
  recordBytesOf,
  type RowLogSpec,
  slotOffset,
} from "../row-log-format.ts";
import type { PositionalFile } from "./positional-file.ts";

/** Records whose gap is smaller share a read: a page comes from the disk in any case. */
const MAX_GAP_BYTES = 4096;
/** Reads in flight. Node itself runs 4 unless UV_THREADPOOL_SIZE says more. */
const MAX_IN_FLIGHT = 8;
/** A slot and its index in the batch in one double: 2^31 * 2^22 = 2^53. */
const PLACES: number = 2 ** 22;

export interface ReadRecords {
  /** Slots to read, distinct. */
  readonly slots: Uint32Array;
  readonly count: number;
  /** Receives each record that is undamaged: its index in `slots`, its row, its bytes from `at` on. */
  readonly deliver: (index: number, row: number, bytes: Uint8Array, at: number) => void;
}

export class RowLog {
  readonly path: string;
  readonly spec: RowLogSpec;
  readonly recordBytes: number;
  readonly #file: PositionalFile;
  readonly #buffers: Uint8Array[];
  readonly #callBytes: number;
  readonly stats = { reads: 0, bytesRead: 0, writes: 0, bytesWritten: 0 };

  private constructor(
    path: string,
    file: PositionalFile,
    { spec, bufferBytes }: { spec: RowLogSpec; bufferBytes: number },
  ) {
    this.path = path;
    this.spec = spec;
    this.recordBytes = recordBytesOf(spec);
    this.#file = file;
    this.#callBytes = Math.max(this.recordBytes, Math.floor(bufferBytes / MAX_IN_FLIGHT));
    this.#buffers = Array.from({ length: MAX_IN_FLIGHT }, () => new Uint8Array(this.#callBytes));
  }

  /** Creates a log in an empty file. Owns `file`. `bufferBytes`: memory of all reads in flight. */
  static async create(
    path: string,
    file: PositionalFile,
    options: Omit<RowLogSpec, "identity"> & { readonly bufferBytes: number },
  ): Promise<RowLog> {
    checkLogSize(options);
    const spec = { ...options, identity: new Uint8Array(randomBytes(IDENTITY_BYTES)) };
    const log = new RowLog(path, file, { spec, bufferBytes: options.bufferBytes });
    await log.#guard("write", () => file.write(encodeLogHeader(spec), 0));
    return log;
  }

  /** Opens a log. Throws `FormatError` if it is not one, or has rows of another size than the given one. */
  static async open(
    path: string,
    file: PositionalFile,
    options: { readonly numRows: number; readonly rowBytes?: number; readonly bufferBytes: number },
  ): Promise<RowLog> {
    const size = await file.size();
    const header = new Uint8Array(Math.min(size, LOG_HEADER_BYTES));
    await file.read(header, 0);
    let spec: RowLogSpec;
    try {
      spec = parseLogHeader(header);
    } catch (cause) {
      throw new FormatError(`${path}: ${(cause as Error).message}`, { cause });
    }
    const { numRows, rowBytes = spec.rowBytes } = options;
    if (spec.numRows !== numRows || spec.rowBytes !== rowBytes)
      throw new FormatError(
        `${path}: expected a log of ${numRows} rows of ${rowBytes} bytes, it has ` +
          `${spec.numRows} of ${spec.rowBytes}`,
      );
    return new RowLog(path, file, { spec, bufferBytes: options.bufferBytes });
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  /** Number of whole slots in the file from `slot` on. */
  async slotsFrom(slot: number): Promise<number> {
    const bytes = (await this.#file.size()) - slotOffset(slot, this.recordBytes);
    return Math.max(0, Math.floor(bytes / this.recordBytes));
  }

  /**
   * Writes `count` records to slots allocated from `segments`; returns the slots. After a failure all slots are
   * released.
   */
  async append(
    bytes: Uint8Array,
    { count, segments, slots }: { count: number; segments: LogSegments; slots: Uint32Array },
  ): Promise<void> {
    const { recordBytes } = this;
    let taken = 0;
    try {
      while (taken < count) {
        const run = segments.allocate(count - taken);
        const from = taken;
        for (let i = 0; i < run.count; i++) slots[taken++] = run.firstSlot + i;
        const part = bytes.subarray(from * recordBytes, taken * recordBytes);
        await this.#guard("write", () =>
          this.#file.write(part, slotOffset(run.firstSlot, recordBytes)),
        );
        this.stats.writes++;
        this.stats.bytesWritten += part.length;
      }
    } catch (error) {
      for (let i = 0; i < taken; i++) segments.release(slots[i]!);
      throw error;
    }
  }

  /** Reads records in slot order. Damaged ones are not delivered. Awaits all of its calls. */
  async read({ slots, count, deliver }: ReadRecords): Promise<void> {
    const { recordBytes } = this;
    const keys = new Float64Array(count);
    for (let i = 0; i < count; i++) keys[i] = slots[i]! * PLACES + i;
    keys.sort();
    const maxGap = Math.max(1, Math.floor(MAX_GAP_BYTES / recordBytes) + 1);
    const maxRun = Math.floor(this.#callBytes / recordBytes);
    let next = 0;
    const failures: unknown[] = [];
    const work = async (buffer: Uint8Array): Promise<void> => {
      const records = new RecordBuffer(buffer, recordBytes);
      while (next < count && failures.length === 0) {
        const begin = next++;
        const first = Math.floor(keys[begin]! / PLACES);
        let last = first;
        for (; next < count; next++) {
          const slot = Math.floor(keys[next]! / PLACES);
          if (slot - last > maxGap || slot - first >= maxRun) break;
          last = slot;
        }
        const end = next;
        const part = buffer.subarray(0, (last - first + 1) * recordBytes);
        await this.#guard("read", () => this.#file.read(part, slotOffset(first, recordBytes)));
        this.stats.reads++;
        this.stats.bytesRead += part.length;
        for (let i = begin; i < end; i++) {
          const slot = Math.floor(keys[i]! / PLACES);
          const at = (slot - first) * recordBytes;
          const row = records.rowAt(at);
          if (row >= 0) deliver(keys[i]! - slot * PLACES, row, buffer, at);
        }
      }
    };
    const guarded = this.#buffers.map((buffer) =>
      work(buffer).catch((error: unknown) => void failures.push(error)),
    );
    await Promise.all(guarded);
    if (failures.length > 0) throw failures[0];
  }

  /** Reads neighbouring records without checks. */
  async readRun(firstSlot: number, into: Uint8Array): Promise<void> {
    await this.#guard("read", () => this.#file.read(into, slotOffset(firstSlot, this.recordBytes)));
    this.stats.reads++;
    this.stats.bytesRead += into.length;
  }

  async sync(): Promise<void> {
    await this.#guard("write", () => this.#file.sync());
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #guard<T>(verb: "read" | "write", call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (cause instanceof EngramError) throw new StoreError(`${this.path}: ${message}`, { cause });
      const why =
        code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG"
          ? `the disk is full (${code}); free space, then resume from the last checkpoint, which is whole`
          : message;
      throw new StoreError(`${this.path}: cannot ${verb} rows: ${why}`, { cause });
    }
  }
}
