/**
 * Documents as one stream of token ids, and batches of windows that a packed graph reads from it. Knows
 * token ids and where documents start; not text, hashes or tensors.
 */
import type { TokenSpan } from "../memory/memory.ts";

/**
 * Each document is its end-of-text token followed by its tokens. That token closes the previous document, and the
 * first token of the document is predicted from it.
 */
export interface TokenStream {
  readonly tokens: Uint16Array | Uint32Array;
  /** Index of each document's first token in `tokens`, ascending, the first 0. */
  readonly starts: Uint32Array;
  /** UTF-8 bytes of the text the tokens stand for. */
  readonly numBytes: number;
}

/** `length` inputs and their labels, for each of `batch` rows. Flat [batch*length] arrays. */
export interface Batch {
  readonly batch: number;
  readonly length: number;
  readonly ids: Int32Array;
  readonly labels: Int32Array;
  /** Number of the document within its row, from 1. */
  readonly segments: Int32Array;
  /** Where in the stream each row's first id stands. */
  readonly starts: Uint32Array;
  /** Loss weight of each position; all weights of the batch sum to 1. */
  readonly weights: Float32Array;
}

export function emptyBatch(batch: number, length: number): Batch {
  const n = batch * length;
  return {
    batch,
    length,
    ids: new Int32Array(n),
    labels: new Int32Array(n),
    segments: new Int32Array(n),
    starts: new Uint32Array(batch),
    weights: new Float32Array(n),
  };
}

/** The documents of a batch as a memory reads them, in the order of its positions. No row sees another. */
export function spansOf({ length, ids, segments, starts }: Batch): TokenSpan[] {
  const spans: TokenSpan[] = [];
  for (let from = 0, to; from < ids.length; from = to) {
    to = from + 1;
    while (to % length !== 0 && segments[to] === segments[from]) to++;
    const row = Math.floor(from / length);
    spans.push({ ids, begin: from, from, to, source: starts[row]! + from - row * length });
  }
  return spans;
}

/** Index of the last element of ascending `sorted` that is <= x. */
function lastAtMost(sorted: Uint32Array, x: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (sorted[middle]! <= x) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Fills row `row` of `batch` with the window that begins at token `start` of the stream. Positions
 *  beyond the stream's end repeat its last token as documents of their own; they carry no weight. */
export function fillWindow(stream: TokenStream, start: number, batch: Batch, row: number): void {
  const { tokens, starts } = stream;
  const { length } = batch;
  const end = tokens.length - 1;
  let document = lastAtMost(starts, start);
  let segment = 1;
  batch.starts[row] = start;
  for (let t = 0, at = row * length; t < length; t++, at++) {
    const position = start + t;
    if (position >= end) {
      batch.ids[at] = tokens[end]!;
      batch.labels[at] = tokens[end]!;
      batch.segments[at] = ++segment;
      batch.weights[at] = 0;
      continue;
    }
    if (t > 0 && starts[document + 1] === position) {
      document++;
      segment++;
    }
    batch.ids[at] = tokens[position]!;
    batch.labels[at] = tokens[position + 1]!;
    batch.segments[at] = segment;
    batch.weights[at] = 1 / (batch.batch * length);
  }
}
