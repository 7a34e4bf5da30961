/**
 * Bytes that are read by range, from a file or a web server. Knows nothing of what the bytes are.
 */
import { StoreError } from "../errors.ts";

/** One open file, read by range. */
export interface ByteRanges {
  /** For messages: without passwords, keys and signatures. */
  readonly name: string;
  readonly size: number;
  /** All of it is in memory, and is what the sums of its source's manifest say. Default: nobody has compared it. */
  readonly isChecked?: boolean;
  /** Ranges with a gap of at most this many bytes are better read in one call. 0: only adjacent ranges are. */
  readonly maxGapBytes: number;
  /** A range of more bytes than this is better read in several calls. */
  readonly maxCallBytes: number;
  /** The most calls in flight at the same time. */
  readonly maxInFlight: number;
  /** Fills `into` with the bytes from `begin` on, or throws `StoreError`. Never reads less: see `EndedError`. */
  read(begin: number, into: Uint8Array): Promise<void>;
  /** As `read`, if it is possible without waiting; then returns true. Otherwise false, and `into` is undefined. */
  readNow?(begin: number, into: Uint8Array): boolean;
  close(): Promise<void>;
}

/** The bytes end before the end of the range that was asked for. */
export class EndedError extends StoreError {
  /** The number of bytes that there are. */
  readonly end: number;

  constructor(name: string, end: number) {
    super(`${name} ends at byte ${end}; it has shrunk since it was opened`);
    this.end = end;
  }
}
