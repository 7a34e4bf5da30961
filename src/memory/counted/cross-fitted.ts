/**
 * Counts for training, cross-fitted: a position of the training text reads the counts of the other folds. Counts of a
 * text fit that text better than any other, so a model trained on them would trust them too much. Folds are contiguous
 * because texts repeat themselves nearby. Knows positions and folds; no graphs.
 *
 * After training, and for validation during training, the counts of the whole text are read.
 */
import { nextTurn } from "../../next-turn.ts";
import { Folds } from "../folds.ts";
import type { TrainableMemory, TrainableReader } from "../memory.ts";
import { RamStore } from "../stores/ram/ram.ts";
import { type CountedText, sortByContext } from "./context-order.ts";
import { DISCOUNT_BESIDE_A_MODEL } from "./count-rows.ts";
import { CountedMemory, CountedReader } from "./counted-memory.ts";
import {
  BLOCK_BYTES,
  buildCountedTable,
  type CountedBytes,
  type CountedTable,
} from "./counted-table.ts";

export interface CrossFitOptions {
  readonly order: number;
  readonly vocabSize: number;
  readonly folds: number;
  readonly layerId: number;
  /** Of the whole text's table; those without a fold list what gains as much a byte. 0, the default: all is listed. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** The counts of the whole text, which are saved with the model, and in training those without each fold. */
export class CrossFittedCounts extends CountedMemory implements TrainableMemory {
  readonly #folds: Folds;
  readonly #withoutFold: readonly CountedMemory[];

  /** Use `CrossFittedCounts.of`. */
  private constructor(
    whole: CountedTable,
    {
      folds,
      withoutFold,
      layerId,
    }: { folds: Folds; withoutFold: readonly CountedTable[]; layerId: number },
  ) {
    super(whole, { layerId });
    this.#folds = folds;
    this.#withoutFold = withoutFold.map((table) => new CountedMemory(table, { layerId }));
  }

  /**
   * Counts a text once as a whole and once without each fold: minutes where the text is long, so others have a turn
   * before each. Throws `InvalidConfigError`, or the signal's reason when it is aborted.
   */
  static async of(text: CountedText, options: CrossFitOptions): Promise<CrossFittedCounts> {
    const { order, vocabSize, layerId, maxBytes = 0, signal } = options;
    const turn = async (): Promise<void> => {
      await nextTurn();
      signal?.throwIfAborted();
    };
    await turn();
    const kind = { vocabSize, discount: DISCOUNT_BESIDE_A_MODEL };
    const folds = new Folds(text.tokens.length, options.folds);
    const sorted = sortByContext(text, { order, vocabSize });
    await turn();
    const { leastGain, ...whole } = buildCountedTable(sorted, {
      ...kind,
      ...(maxBytes > 0 && { prune: { bytes: maxBytes } }),
    });
    const withoutFold: CountedTable[] = [];
    for (let fold = 0; fold < folds.count; fold++) {
      await turn();
      const except = folds.range(fold);
      const prune = leastGain > 0 ? { leastGain } : undefined;
      withoutFold.push(tableInRam(buildCountedTable(sorted, { ...kind, except, prune })));
    }
    return new CrossFittedCounts(tableInRam(whole), { folds, withoutFold, layerId });
  }

  /** Bytes of all tables that are held while a model is trained. */
  get heldBytes(): number {
    return this.#withoutFold.reduce((sum, { numBytes }) => sum + numBytes, this.numBytes);
  }

  trainingReader(): TrainableReader {
    const reader = new CountedReader(this.inputs[0]!, (source) =>
      source === undefined ? this : this.#withoutFold[this.#folds.at(source)]!,
    );
    // Counts are no weights: a gradient moves nothing in them.
    return Object.assign(reader, { update: () => Promise.resolve() });
  }
}

/** The table with its buckets in RAM. */
export function tableInRam({ bytes, ...directory }: CountedBytes): CountedMemory["table"] {
  const numRows = bytes.length / BLOCK_BYTES;
  const buckets = new RamStore({ numRows, rowBytes: BLOCK_BYTES });
  let at = 0;
  for (const segment of buckets.segments) {
    segment.set(bytes.subarray(at, at + segment.length));
    at += segment.length;
  }
  return { ...directory, buckets };
}
