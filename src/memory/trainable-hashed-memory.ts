/**
 * A hashed memory that is trained: the gradients of its vectors update the rows, and uses of rows are counted. Knows
 * rows and arrays of numbers; not the graph that the gradients come from.
 *
 * U distinct rows of a batch, d values a row.
 */
import { HashedMemory, type HashedMemoryParts, HashedReader } from "./hashed-memory.ts";
import type { MemoryUpdate, TrainableMemory, TrainableReader } from "./memory.ts";
import type { RowBatch } from "./retrieval.ts";
import { updateRows } from "./row-optimizer.ts";
import { countUses } from "./row-use.ts";
import type { WritableRowStore } from "./store.ts";

/** What training keeps beside the rows of one table. */
export interface RowTrainingState {
  /** One f32 a row. */
  readonly moments: WritableRowStore;
  /** One code a row: how often it was read. Absent: that is not counted. */
  readonly uses?: WritableRowStore;
}

export class TrainableHashedMemory extends HashedMemory implements TrainableMemory {
  readonly #states: readonly RowTrainingState[];
  #version = 0;

  /** `states` in the order of the tables, whose stores are written to. */
  constructor(parts: HashedMemoryParts, states: readonly RowTrainingState[]) {
    super(parts);
    this.#states = states;
  }

  override get identity(): string {
    return `${super.identity} ${this.#version}`;
  }

  trainingReader(): TrainableReader {
    return new TrainableHashedReader(this, this.#states, () => void this.#version++);
  }
}

class TrainableHashedReader extends HashedReader implements TrainableReader {
  readonly #states: readonly RowTrainingState[];
  readonly #changed: () => void;
  #gradients = new Float32Array(0);
  #moments = new Float32Array(0);
  #codes = new Uint8Array(0);

  constructor(parts: HashedMemoryParts, states: readonly RowTrainingState[], changed: () => void) {
    super(parts);
    this.#states = states;
    this.#changed = changed;
  }

  async update(gradients: ReadonlyMap<number, Float32Array>, by: MemoryUpdate): Promise<void> {
    this.#changed();
    for (const [i, layerId] of this.retrieval.layerIds.entries()) {
      const batch = this.retrieval.batchOf(layerId);
      const { moments, uses } = this.#states[i]!;
      if (uses !== undefined) await this.#countUses(batch, uses, by.step);
      await this.#move(batch, moments, { of: gradients.get(layerId)!, lr: by.lr });
    }
  }

  /** Sums the gradient of each distinct row over all positions that read it, and updates the rows. */
  async #move(
    batch: RowBatch,
    store: WritableRowStore,
    { of, lr }: { of: Float32Array; lr: number },
  ): Promise<void> {
    const { unique, index, values } = batch;
    const width = values.length / unique.length;
    if (this.#gradients.length < values.length) {
      this.#gradients = new Float32Array(values.length);
      this.#moments = new Float32Array(unique.length);
    }
    const gradients = this.#gradients.subarray(0, values.length);
    sumByRow(of, index, { into: gradients, width });
    const moments = this.#moments.subarray(0, unique.length);
    const momentBytes = new Uint8Array(moments.buffer, moments.byteOffset, moments.byteLength);
    await store.read(unique, momentBytes);
    updateRows({ values, gradients, moments, count: unique.length, width }, lr);
    await store.write(unique, momentBytes);
    await this.retrieval.writeBack(batch);
  }

  async #countUses(
    { unique, index }: RowBatch,
    store: WritableRowStore,
    turn: number,
  ): Promise<void> {
    if (this.#codes.length < unique.length) this.#codes = new Uint8Array(unique.length);
    const codes = this.#codes.subarray(0, unique.length);
    await store.read(unique, codes);
    countUses(codes, { unique, index, turn });
    await store.write(unique, codes);
  }
}

/** into[index[k]] = sum over k of gradients[k], rows of `width` values. */
function sumByRow(
  gradients: Float32Array,
  index: Uint32Array,
  { into, width }: { into: Float32Array; width: number },
): void {
  into.fill(0);
  let from = 0;
  for (let k = 0; k < index.length; k++) {
    let to = index[k]! * width;
    for (const end = from + width; from < end; from++, to++)
      into[to] = into[to]! + gradients[from]!;
  }
}
