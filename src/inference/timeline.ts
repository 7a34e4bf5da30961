/**
 * What a sequence of token ids determines besides its key-value cache: where its documents start, look-back, row
 * addresses, and the past of short convolutions. Rewinding is forgetting and copying is forking, since nothing else is
 * state. Knows no engine, no cache and no sampling; sessions and batches share it.
 *
 * C rows a token and layer, D model width.
 */
import { InvariantError, RequestError } from "../errors.ts";
import { addressTail, compressIds, Lookback } from "../memory/index.ts";
import { convHistory } from "../model/index.ts";
import type { LanguageModel } from "./language-model.ts";
import { documentEnd } from "./windows.ts";

/** Ids that are about to be appended: where they begin, and their rows [n, C] by Engram layer. */
export interface StagedIds {
  readonly start: number;
  readonly ids: readonly number[];
  readonly rows: ReadonlyMap<number, Uint32Array>;
}

export class Timeline {
  readonly #model: LanguageModel;
  readonly #ids: number[] = [];
  /** Never empty; ascending from 0. */
  readonly #documents: number[] = [0];
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

  /** Where documents start: at 0, and wherever the model's `documentStart` came later. */
  get documents(): readonly number[] {
    return this.#documents;
  }

  /** Where the document starts that the next ids see. While ids are staged, their own. */
  get documentStart(): number {
    return this.#documents.at(-1)!;
  }

  /**
   * Addresses `ids`, of which the first may start a document, and no other. To be followed by `commit`, or by `rewind`
   * to the length before.
   */
  stage(ids: readonly number[]): StagedIds {
    const {
      memory,
      config: { documentStart },
    } = this.#model;
    const start = this.length;
    if (documentEnd(ids, { from: 0, documentStart }) < ids.length)
      throw new InvariantError("a document starts amid ids that are read at once");
    const isStart = ids[0] === documentStart;
    if (isStart && start > 0) this.#documents.push(start);
    if (memory === undefined) return { start, ids, rows: new Map() };
    this.#lookback.append(compressIds(memory.tokenMap, ids), { isStart });
    const rows = addressTail(memory.addressing, this.#lookback, { from: start });
    const { layers } = memory.addressing.layout;
    return { start, ids, rows: new Map(layers.map(({ layerId }, i) => [layerId, rows[i]!])) };
  }

  /** Compressed ids, those staged too. A view, as `Lookback.ids`; empty without a memory. */
  get compressed(): Int32Array {
    return this.#lookback.ids;
  }

  /**
   * Rows [n, C] by Engram layer that compressed ids would have if they came next. Changes nothing. Exact where no other
   * token shares the compressed id of `documentStart`; otherwise good enough for hints.
   */
  rowsIfNext(compressed: Int32Array): Map<number, Uint32Array> {
    const {
      memory,
      config: { documentStart: token },
    } = this.#model;
    const { addressing, tokenMap } = memory!;
    const documentStart = token === undefined ? undefined : tokenMap.map[token];
    const { length } = this.#lookback;
    for (let from = 0, to; from < compressed.length; from = to) {
      to = documentEnd(compressed, { from, documentStart });
      const isStart = compressed[from] === documentStart;
      this.#lookback.append(compressed.subarray(from, to), { isStart });
    }
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

  /** The convolution's inputs at the positions before the next, [history, D]; zeros where those are not its document's. */
  convPast(layer: number): Float32Array {
    const width = this.#model.config.hiddenSize;
    const at = this.length * width;
    const past = this.#conv.get(layer)!.subarray(at, at + this.#history * width);
    const outside = this.#history - (this.length - this.documentStart);
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
    this.#ids.length = length;
    while (this.documentStart > 0 && this.documentStart >= length) this.#documents.pop();
    if (this.#lookback.length > length) this.#lookback.rewind(length);
  }

  /** Becomes the first `length` tokens of `other`, a timeline of the same model. */
  copyFrom(other: Timeline, length: number): void {
    this.rewind(0);
    const ids = other.#ids.slice(0, length);
    this.#documents.push(...other.#documents.filter((start) => start > 0 && start < length));
    if (this.#model.memory !== undefined)
      for (const [i, start] of this.#documents.entries())
        this.#lookback.append(
          other.#lookback.ids.subarray(start, this.#documents[i + 1] ?? length),
          { isStart: true },
        );
    const end = (length + this.#history) * this.#model.config.hiddenSize;
    for (const [layer, past] of other.#conv) this.#conv.get(layer)!.set(past.subarray(0, end));
    this.#ids.push(...ids);
  }
}
