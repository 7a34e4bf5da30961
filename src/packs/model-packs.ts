/** What a model that is opened with packs needs of them. Knows a model's memory and sizes; no files. */
import type { CountedMemory, Memory } from "../memory/index.ts";
import type { ReaderWeights } from "./pack-format.ts";

/** Sizes that packs are read for. */
export interface PackUse {
  readonly vocabSize: number;
  /** The number of layers: counts are read behind the last. */
  readonly layerId: number;
  /** Of the reader: ids of the longest n-grams that it weighs. */
  readonly order: number;
}

export interface ModelPacks {
  /** In the order in which they were given. */
  readonly names: readonly string[];
  /** Of memory, when they are read. */
  readonly numBytes: number;
  /** The order of the weights that one of them brings. */
  readonly readerOrder: number | undefined;
  /**
   * Reads them whole, once. Returns the weights that one of them brings for the model of this mark and width; they are
   * not looked for where `model` is undefined. Throws `FormatError` for damage, `InvalidConfigError` for another model's.
   */
  read(
    use: PackUse,
    model: { readonly mark: string; readonly hiddenSize: number } | undefined,
  ): Promise<ReaderWeights | undefined>;
  /**
   * Counts as one memory: those of some packs, by default of all, in the order of `names`, and behind them the model's own,
   * or those that came with its reader. Of no packs: the model's own.
   * Throws `RequestError` for a name that is none.
   */
  memory(own: CountedMemory | undefined, names?: readonly string[]): Memory | undefined;
  close(): Promise<void>;
}
