/**
 * Files by name, in a directory or at an address. Small files are read whole, large ones by range. Does not know what
 * the files hold and does not check it.
 */
import { FormatError } from "../errors.ts";
import type { ByteRanges } from "./byte-ranges.ts";

/** Where a model's files are. */
export interface ByteSource {
  /** For messages, and to tell sources apart: without passwords, keys and signatures. */
  readonly name: string;
  /** Whether bytes that were once checked need no second check. True for a local disk, false for a network. */
  readonly isTrusted: boolean;
  /** The name of the file that is the model, or of one of the parts that it was split into. */
  readonly single?: string;
  /** Where the file of this name is, for messages. */
  nameOf(file: string): string;
  /** What was found instead of the expected source, for messages; undefined if unknown. */
  whatElse?(): Promise<string | undefined>;
  /** All bytes of a file; undefined if it does not exist. Throws `FormatError` if it has more than `most`. */
  read(file: string, most: number): Promise<Uint8Array | undefined>;
  /** Opens a file for reading by range; undefined if it does not exist. The caller closes it. */
  open(file: string, options?: OpenOptions): Promise<ByteRanges | undefined>;
}

export interface OpenOptions {
  /** Whether to expect many small reads in random order. Default false. */
  readonly isRandom?: boolean;
}

/** Joins the parts of a small file, with the limit of `ByteSource.read`. */
export async function readAtMost(
  most: number,
  { where, parts }: { where: string; parts: AsyncIterable<Uint8Array> },
): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    size += part.length;
    if (size > most)
      throw new FormatError(
        `${where} is longer than ${most} bytes; the most that is read of such a file`,
      );
    all.push(part);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of all) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
