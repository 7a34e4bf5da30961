/**
 * Counts for training, cross-fitted: a position of the training text reads the counts of the other folds. Counts of a
 * text fit that text better than any other, so a model trained on them would trust them too much. Folds are contiguous
 * because texts repeat themselves nearby. Knows positions and folds; no graphs.
 *
 * After training, and for validation during training, the counts of the whole text are read.
 */
import { InvalidConfigError } from "../../errors.ts";
import type { Memory, MemoryReader, TrainableMemory, TrainableReader } from "../memory.ts";
import { RamStore } from "../stores/ram/ram.ts";
import { type CountedText, sortByContext } from "./context-order.ts";
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
  /** For the table of the whole text; tables without a fold use the same smallest gain per byte. 0, the default: all is listed. */
  readonly maxBytes?: number;
}

export class CrossFittedCounts implements TrainableMemory {
  readonly #whole: CountedMemory;
  readonly #withoutFold: readonly CountedMemory[];
  readonly #foldLength: number;

  /** Counts the whole text, and the text without each fold. Throws `InvalidConfigError`. */
  constructor(text: CountedText, options: CrossFitOptions) {
    const { order, vocabSize, folds, layerId, maxBytes = 0 } = options;
    const { length } = text.tokens;
    if (!Number.isInteger(folds) || folds < 2 || folds > length)
      throw new InvalidConfigError(
        `a text of ${length} tokens has 2..${length} folds, got ${folds}`,
      );
    const sorted = sortByContext(text, { order, vocabSize });
    this.#foldLength = Math.ceil(length / folds);
    const { leastGain, ...whole } = buildCountedTable(sorted, {
      vocabSize,
      ...(maxBytes > 0 && { prune: { bytes: maxBytes } }),
    });
    this.#whole = new CountedMemory(tableInRam(whole), { layerId });
    this.#withoutFold = Array.from({ length: folds }, (_, fold) => {
      const except = { from: fold * this.#foldLength, to: (fold + 1) * this.#foldLength };
      const others = buildCountedTable(sorted, {
        vocabSize,
        except,
        ...(leastGain > 0 && { prune: { leastGain } }),
      });
      return new CountedMemory(tableInRam(others), { layerId });
    });
  }

  /** Of the whole text: what is saved with the model. */
  get table(): CountedTable {
    return this.#whole.table;
  }

  get identity(): string {
    return this.#whole.identity;
  }

  get inputs(): Memory["inputs"] {
    return this.#whole.inputs;
  }

  get numDistributions(): number {
    return this.#whole.numDistributions;
  }

  get takesHints(): boolean {
    return this.#whole.takesHints;
  }

  reader(): MemoryReader {
    return this.#whole.reader();
  }

  trainingReader(): TrainableReader {
    const reader = new CountedReader(this.inputs[0]!, (source) =>
      source === undefined
        ? this.#whole
        : this.#withoutFold[Math.floor(source / this.#foldLength)]!,
    );
    // Counts are not trained.
    return Object.assign(reader, { update: () => Promise.resolve() });
  }

  report(): ReturnType<Memory["report"]> {
    return this.#whole.report();
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
