/**
 * A sequence of token ids and all state that depends on it: document starts, key-value caches, and the past of short
 * convolutions. There is no other state, so to rewind is to truncate, and to fork is to copy. Sessions and batches
 * share it. Knows no engine, no memory and no sampling.
 *
 * D model width.
 */
import { InvariantError, RequestError } from "../errors.ts";
import type { TokenSpan } from "../memory/memory.ts";
import { convHistory, type ModelConfig } from "../model/index.ts";
import { type Caches, KeyValues } from "./key-values.ts";
import { documentEnd } from "./document-end.ts";

export class Timeline {
  readonly #config: ModelConfig;
  readonly #ids: number[] = [];
  /** Never empty; ascending from 0. */
  readonly #documents: number[] = [0];
  readonly #keyValues: KeyValues;
  /** Inputs of each short convolution at every position, after `history` rows of zeros. */
  readonly #conv = new Map<number, Float32Array>();
  readonly #history: number;

  /** `caches` [1,K,C,d] hold `capacity` positions. */
  constructor(config: ModelConfig, { capacity, caches }: { capacity: number; caches: Caches }) {
    this.#config = config;
    this.#keyValues = new KeyValues(caches);
    this.#history = convHistory(config);
    if (this.#history > 0)
      for (const layer of config.engram!.layerIds)
        this.#conv.set(layer, new Float32Array((this.#history + capacity) * config.hiddenSize));
  }

  get ids(): readonly number[] {
    return this.#ids;
  }

  get length(): number {
    return this.#ids.length;
  }

  get caches(): Caches {
    return this.#keyValues.caches;
  }

  /** Start of the document of the next ids; while ids are staged, of those. */
  get documentStart(): number {
    return this.#documents.at(-1)!;
  }

  /**
   * Appends ids before they are computed. Only the first of them may start a document. Call `commit` afterwards, or
   * `undo`.
   */
  stage(ids: readonly number[]): TokenSpan {
    const { documentStart } = this.#config;
    const from = this.length;
    if (documentEnd(ids, { from: 0, documentStart }) < ids.length)
      throw new InvariantError("a document starts amid ids that are read at once");
    if (ids[0] === documentStart && from > 0) {
      this.#documents.push(from);
      this.#keyValues.begin(from);
    }
    this.#ids.push(...ids);
    return { ids: this.#ids, begin: this.documentStart, from, to: this.length };
  }

  /**
   * Calls `use` with the spans that `next` would be if it were appended, without its first `skip` ids. Changes
   * nothing.
   */
  ifNext(next: readonly number[], skip: number, use: (spans: readonly TokenSpan[]) => void): void {
    const { documentStart } = this.#config;
    const start = this.length;
    this.#ids.push(...next);
    const spans: TokenSpan[] = [];
    let begin = this.documentStart;
    for (let from = start, to; from < this.length; from = to) {
      to = documentEnd(this.#ids, { from, documentStart });
      if (this.#ids[from] === documentStart) begin = from;
      const first = Math.max(from, start + skip);
      if (first < to) spans.push({ ids: this.#ids, begin, from: first, to });
    }
    use(spans);
    this.#ids.length = start;
  }

  /** The ids of a span were computed; `conv` returns the convolutions' inputs at their positions, [n, D]. */
  commit({ from, to }: TokenSpan, conv: (layer: number) => Float32Array): void {
    const width = this.#config.hiddenSize;
    for (const [layer, past] of this.#conv)
      past.set(conv(layer).subarray(0, (to - from) * width), (from + this.#history) * width);
  }

  /** The convolution's inputs before `position`, [history, D]; zeros before the start of the document. */
  convPast(layer: number, position: number): Float32Array {
    const width = this.#config.hiddenSize;
    const at = position * width;
    const past = this.#conv.get(layer)!.subarray(at, at + this.#history * width);
    const outside = this.#history - (position - this.documentStart);
    return outside <= 0 || this.documentStart === 0
      ? past
      : past.slice().fill(0, 0, outside * width);
  }

  /** Layers with a short convolution. */
  get convLayers(): Iterable<number> {
    return this.#conv.keys();
  }

  rewind(length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length)
      throw new RequestError(
        `a session of ${this.length} tokens can be rewound to 0..${this.length}, not to ${length}`,
      );
    const starts = [...this.#documents];
    this.#ids.length = length;
    while (this.documentStart > 0 && this.documentStart >= length) this.#documents.pop();
    this.#keyValues.become(this.#keyValues, { length, starts });
  }

  /** Undoes a failed step: truncates to `length`, and zeroes what it wrote to the caches. */
  undo(length: number): void {
    this.rewind(length);
    this.#keyValues.clear(length);
  }

  /** The first layer whose keys or values from `position` on are not finite. */
  firstNonFinite(position: number): number | undefined {
    return this.#keyValues.firstNonFinite(position);
  }

  /** Becomes the first `length` tokens of `other`, a timeline of the same model and capacity. */
  copyFrom(other: Timeline, length: number): void {
    this.rewind(0);
    this.#documents.push(...other.#documents.filter((start) => start > 0 && start < length));
    this.#keyValues.become(other.#keyValues, { length, starts: other.#documents });
    const end = (length + this.#history) * this.#config.hiddenSize;
    for (const [layer, past] of other.#conv) this.#conv.get(layer)!.set(past.subarray(0, end));
    this.#ids.push(...other.#ids.slice(0, length));
  }
}
