/**
 * The key-value caches of a timeline, one pair for each layer, by their graph names. The current document is at the
 * front, and the engine attends to it from position 0 on. Earlier documents are kept at the back for a rewind: the
 * document of tokens s..e-1 is at capacity-e..capacity-s-1. The two ends never overlap, because all tokens together
 * fit into the capacity. Without a document border nothing is ever moved. Knows positions; not ids, sessions or
 * graphs.
 *
 * K key heads, C capacity, d head width.
 */
import type { ModelConfig } from "../model/index.ts";
import { io } from "../model/index.ts";
import { firstNonFinite } from "../numerics/index.ts";
import { type Backend, type Value, zeros } from "../tensor/index.ts";

export type Caches = Readonly<Record<string, Value>>;

/** Caches [slots,K,C,d] of zeros, where the engine works on them in place. */
export function emptyCaches(
  {
    model: { config, backend },
    capacity,
  }: { model: { config: ModelConfig; backend: Backend }; capacity: number },
  slots: number,
): Caches {
  const shape = [slots, config.numKvHeads, capacity, config.headDim];
  const caches: Record<string, Value> = {};
  for (let layer = 0; layer < config.numLayers; layer++)
    for (const name of [io.keys(layer), io.values(layer)]) {
      const cache = zeros("f32", shape);
      caches[name] = backend.place?.(cache) ?? cache;
    }
  return caches;
}

/** The caches of one timeline. */
export class KeyValues {
  /** [1,K,C,d] each. */
  readonly caches: Caches;
  /** Start of the current document in the timeline. Earlier tokens are at the back. */
  #start = 0;

  constructor(caches: Caches) {
    this.caches = caches;
  }

  /** A document starts at `position`. The one before it is moved to the back. */
  begin(position: number): void {
    const count = position - this.#start;
    this.#copy(this, { from: 0, to: this.#capacity - position, count });
    this.#start = position;
  }

  /**
   * Becomes the first `length` tokens of `other`, which may be this. `starts` are where the documents of `other` start
   * in its timeline, ascending from 0.
   */
  become(
    other: KeyValues,
    { length, starts }: { length: number; starts: readonly number[] },
  ): void {
    const last = Math.max(
      0,
      starts.findLastIndex((start) => start < length),
    );
    const start = starts[last]!;
    const isAtFront = start === other.#start;
    if (other !== this || !isAtFront) {
      const from = isAtFront ? 0 : this.#capacity - starts[last + 1]!;
      this.#copy(other, { from, to: 0, count: length - start });
    }
    if (other !== this) {
      const back = this.#capacity - start;
      this.#copy(other, { from: back, to: back, count: start });
    }
    this.#start = start;
  }

  /** The first layer that has NaN or infinity at `position` or behind it; undefined where none has. */
  firstNonFinite(position: number): number | undefined {
    for (let layer = 0; this.caches[io.keys(layer)] !== undefined; layer++)
      for (const name of [io.keys(layer), io.values(layer)])
        for (const values of this.#unused(name, position))
          if (firstNonFinite(values) !== -1) return layer;
    return undefined;
  }

  /**
   * Zeroes what a failed step wrote after the first `length` tokens. A kernel may multiply masked positions by zero,
   * and zero times NaN is NaN.
   */
  clear(length: number): void {
    for (const name of Object.keys(this.caches))
      for (const values of this.#unused(name, length)) values.fill(0);
  }

  /** For each head, the space between token `position` of the timeline and the documents at the back. */
  #unused(name: string, position: number): Float32Array[] {
    const { data, shape } = this.caches[name]!;
    const [, heads, capacity, width] = shape as [number, number, number, number];
    const [from, to] = [position - this.#start, capacity - this.#start];
    return Array.from({ length: heads }, (_, head) =>
      (data as Float32Array).subarray(
        (head * capacity + from) * width,
        (head * capacity + to) * width,
      ),
    );
  }

  get #capacity(): number {
    return Object.values(this.caches)[0]!.shape[2]!;
  }

  #copy(source: KeyValues, { from, to, count }: { from: number; to: number; count: number }): void {
    if (count === 0) return;
    for (const [name, { data, shape }] of Object.entries(this.caches)) {
      const [, heads, capacity, width] = shape as [number, number, number, number];
      const given = source.caches[name]!.data;
      for (let head = 0; head < heads; head++) {
        const at = (position: number): number => (head * capacity + position) * width;
        data.set(given.subarray(at(from), at(from + count)), at(to));
      }
    }
  }
}
