/**
 * Bytes that are read by range, whatever carries them: a file, a web server. Knows nothing of what the bytes are.
 */
import { StoreError } from "../errors.ts";

export interface ByteRanges {
  /** For messages: without passwords, keys and signatures. */
  readonly name: string;
  readonly size: number;
  /** Ranges whose gap is at most this are better read by one call. 0: only neighbours are. */
  readonly maxGapBytes: number;
  /** Bytes of a call that are better read by several. */
  readonly maxCallBytes: number;
  /** Calls under way at once. */
  readonly maxInFlight: number;
  /** Fills `into` with the bytes from `begin` on, or throws `StoreError`. Never short: see `EndedError`. */
  read(begin: number, into: Uint8Array): Promise<void>;
  /** As `read`, where that takes no waiting, and true; or false, and no promise about `into`. */
  readNow?(begin: number, into: Uint8Array): boolean;
  close(): Promise<void>;
}

/** What is read ends before the range that was asked for does. */
export class EndedError extends StoreError {
  /** Where it ends. */
  readonly end: number;

  constructor(name: string, end: number) {
    super(`${name} ends at byte ${end}; it has shrunk since it was opened`);
    this.end = end;
  }
}
