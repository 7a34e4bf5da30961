/**
 * Documents as one stream of token ids, and the windows a training run reads from it. Knows token
 * ids and where documents start; not text, tokenizers, hashes or tensors.
 */
import { InvalidConfigError } from "../errors.ts";
import { Random } from "../numerics/index.ts";

/** Each document is its end-of-text token followed by its tokens: the token both closes the document
 *  before and is what a document's first word is predicted from. */
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
  /** 1 where a document starts at this position. */
  readonly starts: Uint8Array;
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
    starts: new Uint8Array(n),
    weights: new Float32Array(n),
  };
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

/** Fills row `row` of `batch` with the window that begins at token `start` of the stream. */
export function fillWindow(stream: TokenStream, start: number, batch: Batch, row: number): void {
  const { tokens, starts } = stream;
  const { length } = batch;
  let document = lastAtMost(starts, start);
  let segment = 1;
  for (let t = 0, at = row * length; t < length; t++, at++) {
    const position = start + t;
    if (t > 0 && starts[document + 1] === position) {
      document++;
      segment++;
    }
    batch.ids[at] = tokens[position]!;
    batch.labels[at] = tokens[position + 1]!;
    batch.segments[at] = segment;
    batch.starts[at] = starts[document] === position ? 1 : 0;
    batch.weights[at] = 1 / (batch.batch * length);
  }
}

/**
 * The order in which training reads a stream: every epoch cuts it into windows at a new offset and
 * visits them in a new order. The position is a pure function of (seed, index), so a resumed run
 * needs nothing but the number of rows it has read.
 */
export class WindowOrder {
  readonly #numTokens: number;
  readonly #length: number;
  readonly #seed: number;
  readonly perEpoch: number;
  #epoch = -1;
  #offset = 0;
  #order = new Uint32Array(0);

  constructor(stream: TokenStream, { length, seed }: { length: number; seed: number }) {
    this.#numTokens = stream.tokens.length;
    this.#length = length;
    this.#seed = seed;
    // One window's worth is given up to the offset, one token to the last label.
    this.perEpoch = Math.floor((this.#numTokens - 1) / length) - 1;
    if (this.perEpoch < 1)
      throw new InvalidConfigError(
        `the training text has ${this.#numTokens} tokens; at least ${2 * length + 1} are needed for ` +
          `windows of ${length}. Give more text, or choose a preset with a shorter context`,
      );
  }

  /** First token of the `index`-th window of the run. */
  start(index: number): number {
    const epoch = Math.floor(index / this.perEpoch);
    if (epoch !== this.#epoch) this.#shuffle(epoch);
    return this.#offset + this.#order[index % this.perEpoch]! * this.#length;
  }

  #shuffle(epoch: number): void {
    const random = Random.fromSeed(this.#seed, `epoch ${epoch}`);
    this.#epoch = epoch;
    this.#offset = random.int(this.#length);
    this.#order = Uint32Array.from({ length: this.perEpoch }, (_, i) => i);
    random.shuffle(this.#order);
  }
}

/** Fills `batch` with windows `index .. index+batch.batch-1` of the run. */
export function fillBatch(
  stream: TokenStream,
  order: WindowOrder,
  { index, batch }: { index: number; batch: Batch },
): void {
  for (let row = 0; row < batch.batch; row++)
    fillWindow(stream, order.start(index + row), batch, row);
}
