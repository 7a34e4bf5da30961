/**
 * Splits texts into pieces and counts each piece. A BPE trainer needs nothing else of a corpus. Knows
 * nothing of merges. Memory grows with the number of different pieces (about one
 * million in 100 MB of English Wikipedia), not with the text.
 */
import { ownedCopy } from "./owned-copy.ts";
import { buildSplitter } from "./pretokenize.ts";

export interface PieceCounts {
  /** UTF-8 of all different pieces, concatenated in order of first occurrence. */
  readonly bytes: Uint8Array;
  /** Piece i is bytes[starts[i] .. starts[i + 1]). */
  readonly starts: Int32Array;
  readonly counts: Float64Array;
}

export interface CountPiecesOptions {
  readonly splits: readonly string[];
  /** Different pieces kept at a time; the rarest are dropped when there are more. Default 8 M. */
  readonly maxPieces?: number;
  /** Called about once per million UTF-16 units with the number read so far. */
  readonly onProgress?: (done: number) => void;
}

const PROGRESS_INTERVAL: number = 1 << 20;

/** A JavaScript Map has at most 16.7 M entries. The rarest of 8 M pieces merge last anyway. */
const MAX_PIECES: number = 1 << 23;

export async function countPieces(
  texts: Iterable<string> | AsyncIterable<string>,
  { splits, maxPieces = MAX_PIECES, onProgress }: CountPiecesOptions,
): Promise<PieceCounts> {
  const split = await buildSplitter(splits);
  const countOf = new Map<string, number>();
  const count = (piece: string): void => {
    const seen = countOf.get(piece);
    if (seen !== undefined) {
      countOf.set(piece, seen + 1);
    } else {
      if (countOf.size >= maxPieces) dropRarest(countOf);
      // In UTF-8 lone surrogates are U+FFFD, all alike.
      const key = ownedCopy(piece.toWellFormed());
      countOf.set(key, (countOf.get(key) ?? 0) + 1);
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

/** Removes at least half of the map: pieces seen once, then those seen twice, and so on. */
function dropRarest(countOf: Map<string, number>): void {
  const target = countOf.size / 2;
  for (let rare = 1; countOf.size > target; rare++)
    for (const [piece, count] of countOf) if (count <= rare) countOf.delete(piece);
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
