/**
 * Cuts texts into pieces and counts how often each occurs: all that a BPE trainer needs to know of
 * a corpus. Knows nothing of merges. Memory grows with the number of different pieces (about one
 * million in 100 MB of English Wikipedia), not with the text.
 */
import { buildSplitter } from "./pretokenize.ts";

export interface PieceCounts {
  /** UTF-8 of all different pieces, one after the other, in the order of first sight. */
  readonly bytes: Uint8Array;
  /** Piece i is bytes[starts[i] .. starts[i + 1]). */
  readonly starts: Int32Array;
  readonly counts: Float64Array;
}

export interface CountPiecesOptions {
  readonly splits: readonly string[];
  /** Told the number of UTF-16 units read, about once in a million. */
  readonly onProgress?: (done: number) => void;
}

const PROGRESS_INTERVAL: number = 1 << 20;

/**
 * V8 keeps a slice of 13 or more characters as a window on the string it was cut from, so that one
 * rare word would hold its whole document in memory; such a slice is copied before it is kept.
 */
const SLICE_LENGTH = 13;

export async function countPieces(
  texts: Iterable<string> | AsyncIterable<string>,
  { splits, onProgress }: CountPiecesOptions,
): Promise<PieceCounts> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const split = buildSplitter(splits);
  const countOf = new Map<string, number>();
  const count = (piece: string): void => {
    const seen = countOf.get(piece);
    if (seen !== undefined || piece.length < SLICE_LENGTH) {
      countOf.set(piece, (seen ?? 0) + 1);
    } else {
      // Lone surrogates become U+FFFD here as they do in UTF-8, so nothing is counted apart.
      const copy = decoder.decode(encoder.encode(piece));
      countOf.set(copy, (countOf.get(copy) ?? 0) + 1);
    }
  };
  let done = 0;
  let reported = 0;
  for await (const text of texts) {
    split(text, count);
    done += text.length;
    if (done - reported >= PROGRESS_INTERVAL) {
      reported = done;
      onProgress?.(done);
    }
  }
  onProgress?.(done);
  return flatten(countOf);
}

function flatten(countOf: ReadonlyMap<string, number>): PieceCounts {
  const encoder = new TextEncoder();
  const starts = new Int32Array(countOf.size + 1);
  const counts = new Float64Array(countOf.size);
  let bytes = new Uint8Array(1 << 16);
  let length = 0;
  let index = 0;
  for (const [piece, count] of countOf) {
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    while (length + piece.length * 3 > bytes.length) {
      const grown = new Uint8Array(bytes.length * 2);
      grown.set(bytes);
      bytes = grown;
    }
    length += encoder.encodeInto(piece, bytes.subarray(length)).written;
    counts[index++] = count;
    starts[index] = length;
  }
  return { bytes: bytes.slice(0, length), starts, counts };
}
