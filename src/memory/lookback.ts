/**
 * The only state retrieval has: the compressed ids of one timeline, of which a hash needs the last N-1, and where
 * documents start.
 * All are kept (4 bytes a token), so that rewinding to any length, forking and chunks of any split give
 * the rows that one pass over the same ids gives. Knows nothing of raw tokens, rows or caches of keys.
 */
import { InvariantError, RequestError } from "../errors.ts";

export class Lookback {
  #ids: Int32Array;
  /** Non-zero where a document starts. */
  #starts: Uint8Array;
  #length = 0;

  constructor({ capacity = 256 }: { capacity?: number } = {}) {
    this.#ids = new Int32Array(capacity);
    this.#starts = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  /** Compressed ids so far. A view: valid until the next call that changes the timeline. */
  get ids(): Int32Array {
    return this.#ids.subarray(0, this.#length);
  }

  /** Document starts, one byte an id. A view, like `ids`. */
  get starts(): Uint8Array {
    return this.#starts.subarray(0, this.#length);
  }

  /** Appends compressed ids (or DEAD). */
  push(...ids: readonly number[]): void {
    this.append(ids);
  }

  /** With `isStart`, the first of the ids starts a document: look-back does not cross that point. */
  append(ids: ArrayLike<number>, { isStart = false }: { isStart?: boolean } = {}): void {
    const start = this.#length;
    this.#reserve(start + ids.length);
    this.#ids.set(ids, start);
    this.#starts.fill(0, start, start + ids.length);
    if (ids.length > 0 && (isStart || start === 0)) this.#starts[start] = 1;
    this.#length += ids.length;
  }

  /** Forgets everything from `length` on. */
  rewind(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.#length)
      throw new RequestError(
        `a timeline of ${this.#length} ids can be rewound to 0..${this.#length}, not to ${length}`,
      );
    this.#length = length;
  }

  /** An independent copy. */
  fork(): Lookback {
    const copy = new Lookback({ capacity: Math.max(this.#length + 16, 16) });
    copy.#ids.set(this.ids);
    copy.#starts.set(this.starts);
    copy.#length = this.#length;
    return copy;
  }

  #reserve(length: number): void {
    if (length <= this.#ids.length) return;
    if (length >= 2 ** 31) throw new InvariantError(`a timeline of ${length} ids is not plausible`);
    const capacity = Math.max(length, 2 * this.#ids.length);
    const ids = new Int32Array(capacity);
    ids.set(this.ids);
    const starts = new Uint8Array(capacity);
    starts.set(this.starts);
    this.#ids = ids;
    this.#starts = starts;
  }
}
