/**
 * Counts as a model is trained on them: a place of the training text is read from what the other folds of the text
 * wrote. Texts repeat themselves nearby, so counts of a text look better on it than on any other, and a model that is
 * trained on them trusts them too much. Folds are contiguous for the same reason. Knows places and folds; no graphs.
 *
 * After training, and for scoring on the way, the counts of the whole text are read.
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
  /** Of the whole text's table; those without a fold list what gains as much a byte. 0, the default: all is listed. */
  readonly maxBytes?: number;
}

export class CrossFittedCounts implements TrainableMemory {
  readonly #whole: CountedMemory;
  readonly #withoutFold: readonly CountedMemory[];
  readonly #foldLength: number;

  /** Counts the text once as a whole and once without each fold. Throws `InvalidConfigError`. */
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
    // Counts are no weights: a gradient moves nothing in them.
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
