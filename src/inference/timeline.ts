/**
 * What a sequence of token ids determines besides its key-value cache: look-back, row addresses, and
 * the past of short convolutions. Rewinding is forgetting and copying is forking, since nothing else is
 * state. Knows no engine, no cache and no sampling; sessions and batches share it.
 *
 * C rows a token and layer, D model width.
 */
import { RequestError } from "../errors.ts";
import { addressTail, compressIds, Lookback } from "../memory/index.ts";
import { convHistory } from "../model/index.ts";
import type { LanguageModel } from "./language-model.ts";

/** Ids that are about to be appended: where they begin, and their rows [n, C] by Engram layer. */
export interface StagedIds {
  readonly start: number;
  readonly ids: readonly number[];
  readonly rows: ReadonlyMap<number, Uint32Array>;
}

export class Timeline {
  readonly #model: LanguageModel;
  readonly #ids: number[] = [];
  readonly #lookback = new Lookback();
  /** Inputs of each short convolution at every position, behind `history` rows of zeros. */
  readonly #conv = new Map<number, Float32Array>();
  readonly #history: number;

  constructor(model: LanguageModel, capacity: number) {
    this.#model = model;
    const { config } = model;
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

  /** Addresses `ids`. To be followed by `commit`, or by `rewind` to the length before. */
  stage(ids: readonly number[]): StagedIds {
    const { memory } = this.#model;
    const start = this.length;
    if (memory === undefined) return { start, ids, rows: new Map() };
    this.#lookback.append(compressIds(memory.tokenMap, ids));
    const rows = addressTail(memory.addressing, this.#lookback, { from: start });
    const { layers } = memory.addressing.layout;
    return { start, ids, rows: new Map(layers.map(({ layerId }, i) => [layerId, rows[i]!])) };
  }

  /** Compressed ids, those staged too. A view, as `Lookback.ids`; empty without a memory. */
  get compressed(): Int32Array {
    return this.#lookback.ids;
  }

  /** Rows [n, C] by Engram layer that compressed ids would have if they came next. Changes nothing. */
  rowsIfNext(compressed: ArrayLike<number>): Map<number, Uint32Array> {
    const { addressing } = this.#model.memory!;
    const { length } = this.#lookback;
    this.#lookback.append(compressed);
    const rows = addressTail(addressing, this.#lookback, { from: length });
    this.#lookback.rewind(length);
    return new Map(addressing.layout.layers.map(({ layerId }, i) => [layerId, rows[i]!]));
  }

  /** The ids have been read; `conv` gives the convolutions' inputs at their positions, [n, D]. */
  commit({ ids, start }: StagedIds, conv: (layer: number) => Float32Array): void {
    const width = this.#model.config.hiddenSize;
    for (const [layer, past] of this.#conv)
      past.set(conv(layer).subarray(0, ids.length * width), (start + this.#history) * width);
    this.#ids.push(...ids);
  }

  /** The convolution's inputs at the positions before the next, [history, D]. */
  convPast(layer: number): Float32Array {
    const width = this.#model.config.hiddenSize;
    const at = this.length * width;
    return this.#conv.get(layer)!.subarray(at, at + this.#history * width);
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
    this.#ids.length = length;
    if (this.#lookback.length > length) this.#lookback.rewind(length);
  }

  /** Becomes the first `length` tokens of `other`, a timeline of the same model. */
  copyFrom(other: Timeline, length: number): void {
    this.rewind(0);
    const ids = other.#ids.slice(0, length);
    if (this.#model.memory !== undefined)
      this.#lookback.append(other.#lookback.ids.subarray(0, length));
    const end = (length + this.#history) * this.#model.config.hiddenSize;
    for (const [layer, past] of other.#conv) this.#conv.get(layer)!.set(past.subarray(0, end));
    this.#ids.push(...ids);
  }
}
