/**
 * Which windows of a token stream a training run reads, in which order. Knows positions in the stream;
 * not text, tokenizers, hashes or tensors.
 */
import { InvalidConfigError } from "../errors.ts";
import { type Batch, fillWindow, type TokenStream } from "../inference/index.ts";
import { Random } from "../numerics/index.ts";

/**
 * The order in which training reads a stream: every epoch cuts it into windows at a new offset and
 * visits them in a new order. The position is a pure function of (seed, index), so a resumed run
 * needs nothing but the number of rows it has read.
 */
export class WindowOrder {
  readonly #length: number;
  readonly #seed: number;
  readonly perEpoch: number;
  /** Number of offsets at which an epoch's windows can start, so that the last label is within the stream. */
  readonly #numOffsets: number;
  #epoch = -1;
  #offset = 0;
  #order = new Uint32Array(0);

  constructor(stream: TokenStream, { length, seed }: { length: number; seed: number }) {
    const numTokens = stream.tokens.length;
    this.#length = length;
    this.#seed = seed;
    this.perEpoch = windowsPerEpoch(numTokens, length);
    this.#numOffsets = numTokens - this.perEpoch * length;
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
    this.#offset = random.int(this.#numOffsets);
    this.#order = Uint32Array.from({ length: this.perEpoch }, (_, i) => i);
    random.shuffle(this.#order);
  }
}

/** Throws `InvalidConfigError` where there are none. */
export function windowsPerEpoch(numTokens: number, length: number): number {
  // The first token is not a label. An offset costs at least one window.
  const count = Math.floor((numTokens - 1) / length) - 1;
  if (count >= 1) return count;
  throw new InvalidConfigError(
    `the training text has ${numTokens} tokens; at least ${2 * length + 1} are needed for ` +
      `windows of ${length}. Give more text, or take a shorter context (--context)`,
  );
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
