/**
 * Learned rows as a model is trained on them: a table for each fold of the training text, which learns from all other
 * folds, and the one that is kept, which learns from all. A place is read from its fold's table, which has never seen it
 * or its neighbours; so the model learns to trust rows as far as they hold on other text.
 *
 * Knows folds and rows; not where tables rest. P positions.
 */
import { InvariantError } from "../errors.ts";
import type { Folds } from "./folds.ts";
import type { HashedMemoryParts } from "./hashed-memory.ts";
import {
  type Addresses,
  joinLookUps,
  type LookUp,
  type MemoryInput,
  type MemoryUpdate,
  type TokenSpan,
  type TrainableReader,
} from "./memory.ts";
import type { WritableRowStore } from "./store.ts";
import { type RowTrainingState, TrainableHashedMemory } from "./trainable-hashed-memory.ts";

/** Rows that learn. */
export interface TrainedRows {
  readonly values: WritableRowStore;
  readonly moments: WritableRowStore;
}

export interface CrossFittedState extends RowTrainingState {
  /** For each fold the rows that learn from the other folds; in RAM, as large as the table. */
  readonly withoutFold: readonly TrainedRows[];
}

export class CrossFittedRows extends TrainableHashedMemory {
  readonly #folds: Folds;
  readonly #withoutFold: readonly TrainableHashedMemory[];

  /** `parts` and `states` are those of the table that is kept, with those of the folds. */
  constructor(parts: HashedMemoryParts, states: readonly CrossFittedState[], folds: Folds) {
    super(parts, states);
    this.#folds = folds;
    this.#withoutFold = Array.from({ length: folds.count }, (_, fold) => {
      const ofFold = states.map(({ withoutFold }) => withoutFold[fold]);
      const tables = parts.tables.map((table, i) => {
        const store = ofFold[i]?.values;
        if (store === undefined)
          throw new InvariantError(`layer ${table.layerId} has no rows without fold ${fold}`);
        return { ...table, store };
      });
      return new TrainableHashedMemory(
        { ...parts, tables },
        ofFold.map((rows) => ({ moments: rows!.moments })),
      );
    });
  }

  override trainingReader(): TrainableReader {
    return new CrossFittedReader({
      inputs: this.inputs,
      folds: this.#folds,
      kept: super.trainingReader(),
      withoutFold: this.#withoutFold.map((memory) => memory.trainingReader()),
    });
  }
}

interface Readers {
  readonly inputs: readonly MemoryInput[];
  readonly folds: Folds;
  readonly kept: TrainableReader;
  readonly withoutFold: readonly TrainableReader[];
}

interface FoldedAddresses extends Addresses {
  /** [P] */
  readonly folds: Uint32Array;
}

class CrossFittedReader implements TrainableReader {
  readonly #of: Readers;
  #last: FoldedAddresses | undefined;

  constructor(of: Readers) {
    this.#of = of;
  }

  address(texts: readonly TokenSpan[]): FoldedAddresses {
    const { numPositions, rows } = this.#of.kept.address(texts);
    const folds = new Uint32Array(numPositions);
    let position = 0;
    for (const { from, to, source } of texts) {
      if (source === undefined)
        throw new InvariantError("a place of the training text is not named");
      // Of the id that is to be predicted.
      for (let at = from; at < to; at++)
        folds[position++] = this.#of.folds.at(source + at - from + 1);
    }
    return { numPositions, rows, folds };
  }

  lookUp(at: Addresses, into: ReadonlyMap<number, Float32Array>): LookUp {
    this.#last = at as FoldedAddresses;
    const { folds } = this.#last;
    const lookUps = [...new Set(folds)].map((fold) => {
      const positions = positionsWhere(folds, (of) => of === fold);
      const vectors = this.#vectors(positions.length);
      const lookUp = this.#of.withoutFold[fold]!.lookUp(pick(at, positions), vectors);
      // In RAM, so they are there.
      for (const { layerId, width } of this.#of.inputs)
        for (const [from, to] of positions.entries())
          into
            .get(layerId)
            ?.set(vectors.get(layerId)!.subarray(from * width, (from + 1) * width), to * width);
      return lookUp;
    });
    return joinLookUps(lookUps);
  }

  hint(): void {
    // Tables of folds lie in RAM.
  }

  async update(gradients: ReadonlyMap<number, Float32Array>, by: MemoryUpdate): Promise<void> {
    const at = this.#last!;
    const all = positionsWhere(at.folds, () => true);
    await this.#learn(this.#of.kept, { at, positions: all, gradients, by });
    for (const [fold, reader] of this.#of.withoutFold.entries()) {
      const positions = positionsWhere(at.folds, (of) => of !== fold);
      if (positions.length > 0) await this.#learn(reader, { at, positions, gradients, by });
    }
  }

  /** A table learns from some positions what they would have changed in the table that they read. */
  async #learn(
    reader: TrainableReader,
    {
      at,
      positions,
      gradients,
      by,
    }: {
      at: Addresses;
      positions: Uint32Array;
      gradients: ReadonlyMap<number, Float32Array>;
      by: MemoryUpdate;
    },
  ): Promise<void> {
    await reader.lookUp(pick(at, positions), this.#vectors(positions.length)).all();
    const picked = new Map(
      Array.from(gradients, ([layer, all]) => {
        const width = all.length / at.numPositions;
        return [layer, pickRows(all, positions, width)] as const;
      }),
    );
    await reader.update(picked, by);
  }

  #vectors(positions: number): Map<number, Float32Array> {
    return new Map(
      this.#of.inputs.map(({ layerId, width }) => [layerId, new Float32Array(positions * width)]),
    );
  }
}

function positionsWhere(folds: Uint32Array, holds: (fold: number) => boolean): Uint32Array {
  return Uint32Array.from(folds.keys()).filter((position) => holds(folds[position]!));
}

function pick({ rows, numPositions }: Addresses, positions: Uint32Array): Addresses {
  return {
    numPositions: positions.length,
    rows: new Map(
      Array.from(rows, ([layer, all]) => [
        layer,
        pickRows(all, positions, all.length / numPositions),
      ]),
    ),
  };
}

function pickRows<Numbers extends Float32Array | Uint32Array>(
  all: Numbers,
  positions: Uint32Array,
  width: number,
): Numbers {
  const picked = new (all.constructor as new (length: number) => Numbers)(positions.length * width);
  for (const [to, from] of positions.entries())
    picked.set(all.subarray(from * width, (from + 1) * width), to * width);
  return picked;
}
