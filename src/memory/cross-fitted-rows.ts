/**
 * Learned rows as a model is trained on them: a table for each fold of the training text, which learns from all other
 * folds, and one that learns from all. A place is read from its fold's table, which has never seen it or its
 * neighbours; so the model learns to trust rows as far as they hold on other text. Only the last table is kept.
 *
 * Knows places, folds and rows; not how a text is cut or where tables rest. P positions.
 */
import { InvariantError } from "../errors.ts";
import type {
  Addresses,
  LookUp,
  Memory,
  MemoryReader,
  MemoryUpdate,
  TokenSpan,
  TrainableMemory,
  TrainableReader,
} from "./memory.ts";
import { joinLookUps } from "./memory.ts";
import type { TrainableHashedMemory } from "./trainable-hashed-memory.ts";

export interface FoldedRows {
  /** Learns from all text. */
  readonly whole: TrainableHashedMemory;
  /** Each learns from all text but its fold. */
  readonly withoutFold: readonly TrainableHashedMemory[];
  /** Tokens of a fold: the fold of a place is its number over this. */
  readonly foldLength: number;
}

export class CrossFittedRows implements TrainableMemory {
  readonly #rows: FoldedRows;

  constructor(rows: FoldedRows) {
    this.#rows = rows;
  }

  get identity(): string {
    return this.#rows.whole.identity;
  }

  get inputs(): Memory["inputs"] {
    return this.#rows.whole.inputs;
  }

  get takesHints(): boolean {
    return false;
  }

  reader(): MemoryReader {
    return this.#rows.whole.reader();
  }

  trainingReader(): TrainableReader {
    return new CrossFittedReader(this.#rows);
  }

  report(): ReturnType<Memory["report"]> {
    return this.#rows.whole.report();
  }
}

interface FoldedAddresses extends Addresses {
  /** [P] */
  readonly folds: Uint32Array;
}

class CrossFittedReader implements TrainableReader {
  readonly #rows: FoldedRows;
  readonly #whole: TrainableReader;
  readonly #withoutFold: readonly TrainableReader[];
  #last: FoldedAddresses | undefined;

  constructor(rows: FoldedRows) {
    this.#rows = rows;
    this.#whole = rows.whole.trainingReader();
    this.#withoutFold = rows.withoutFold.map((memory) => memory.trainingReader());
  }

  address(texts: readonly TokenSpan[]): FoldedAddresses {
    const { numPositions, rows } = this.#whole.address(texts);
    const folds = new Uint32Array(numPositions);
    let position = 0;
    for (const { from, to, source } of texts) {
      if (source === undefined)
        throw new InvariantError("a place of the training text is not named");
      // Of the id that is to be predicted.
      for (let at = from; at < to; at++)
        folds[position++] = Math.floor((source + at - from + 1) / this.#rows.foldLength);
    }
    return { numPositions, rows, folds };
  }

  lookUp(at: Addresses, into: ReadonlyMap<number, Float32Array>): LookUp {
    this.#last = at as FoldedAddresses;
    const { folds } = this.#last;
    const parts = [...new Set(folds)].map((fold) => {
      const positions = positionsWhere(folds, (of) => of === fold);
      const vectors = this.#vectors(positions.length);
      const lookUp = this.#withoutFold[Math.min(fold, this.#withoutFold.length - 1)]!.lookUp(
        pick(at, positions),
        vectors,
      );
      return { positions, vectors, lookUp };
    });
    const deal = (): void => {
      for (const { positions, vectors } of parts)
        for (const { layerId, width } of this.#rows.whole.inputs)
          for (const [from, to] of positions.entries())
            into
              .get(layerId)
              ?.set(vectors.get(layerId)!.subarray(from * width, (from + 1) * width), to * width);
    };
    const joined = joinLookUps(parts.map(({ lookUp }) => lookUp));
    if (joined.isDone) deal();
    return {
      ...joined,
      get isDone() {
        return joined.isDone;
      },
      all: async () => {
        if (joined.isDone) return;
        await joined.all();
        deal();
      },
    };
  }

  hint(): void {
    // Tables of folds lie in RAM.
  }

  async update(gradients: ReadonlyMap<number, Float32Array>, by: MemoryUpdate): Promise<void> {
    const at = this.#last!;
    await this.#learn(this.#whole, {
      at,
      positions: positionsWhere(at.folds, () => true),
      gradients,
      by,
    });
    for (const [fold, reader] of this.#withoutFold.entries()) {
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
      this.#rows.whole.inputs.map(({ layerId, width }) => [
        layerId,
        new Float32Array(positions * width),
      ]),
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
