/**
 * Files by their names, wherever they are: a directory, an address. Small ones are read whole, large ones by range.
 * What the files hold, and whether it is right, is somebody else's business.
 */
import { FormatError } from "../errors.ts";
import type { ByteRanges } from "./byte-ranges.ts";

export interface ByteSource {
  /** For messages, and to tell sources apart: without passwords, keys and signatures. */
  readonly name: string;
  /** Whether bytes that were right once stay right: those of a disk of ours do, those of a network do not. */
  readonly isTrusted: boolean;
  /** Where the file of this name is, for messages. */
  nameOf(file: string): string;
  /** What this is instead of what was expected, for messages; undefined where nobody can say. */
  whatElse?(): Promise<string | undefined>;
  /** All bytes of a file; undefined if there is none. Throws `FormatError` where it has more than `most`. */
  read(file: string, most: number): Promise<Uint8Array | undefined>;
  /** A file to be read by range, by whoever asks, who also closes it; undefined if there is none. */
  open(file: string, options?: OpenOptions): Promise<ByteRanges | undefined>;
}

export interface OpenOptions {
  /** Reads will be many and small, in no order. Default false. */
  readonly isRandom?: boolean;
}

/** All bytes of a small file that comes in parts, as `ByteSource.read` gives it. */
export async function readAtMost(
  most: number,
  { where, parts }: { where: string; parts: AsyncIterable<Uint8Array> },
): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    size += part.length;
    if (size > most)
      throw new FormatError(`${where} is longer than ${most} bytes; expected a file of settings`);
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
