/**
 * A reader for a model that has none: the few thousand weights that say when counts are to be believed. The model is
 * frozen and reads a part of the text once; what it says is kept, and the weights are fitted to that, each place with
 * counts of the other folds of the text (docs/decisions/0027). The result is a pack: its counts, and the reader.
 */
import { countedSources } from "./at-rest/index.ts";
import { DisposalStack } from "./disposal-stack.ts";
import { InvalidConfigError } from "./errors.ts";
import { fingerprintOf } from "./facts/node/index.ts";
import { Scorer, type TokenStream } from "./inference/index.ts";
import { loadModel, type LoadModelOptions } from "./load-model.ts";
import { CrossFittedCounts, estimateCounts } from "./memory/index.ts";
import { readMachineMemory } from "./machine/node/index.ts";
import type { Model } from "./opened-model.ts";
import type { PackInfo, PackText } from "./packs/index.ts";
import { writePack } from "./packs/node/index.ts";
import { markOf } from "./teaching/index.ts";
import {
  fitMixture,
  type FittedMixture,
  type MixtureSamples,
  packDocuments,
} from "./training/index.ts";
import { describeFile, readAll } from "./training/node/index.ts";

export interface TrainReaderOptions {
  /** How the model is opened. */
  readonly opening?: LoadModelOptions;
  readonly data: readonly string[];
  /** The pack. */
  readonly out: string;
  /** Ids of the longest n-grams. */
  readonly order: number;
  /** Of the counts in the pack; what gains least a byte is not listed. 0: all is. */
  readonly maxBytes: number;
  /** Tokens that the model reads, about, spread over the text. */
  readonly tokens: number;
  readonly seed?: number;
  readonly onPhase?: ((text: string) => void) | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TrainedReader extends Pick<FittedMixture, "alone" | "mixed"> {
  readonly out: string;
  /** The pack's sum. */
  readonly id: string;
  readonly info: PackInfo;
  /** Tokens that were learned from, and that the two losses are of together. */
  readonly numSamples: number;
}

const FOLDS = 5;
/** Tokens that the model reads at once. */
const LENGTH = 512;

export async function trainReader(
  path: string,
  options: TrainReaderOptions,
): Promise<TrainedReader> {
  const { data, out, order, maxBytes, seed, onPhase, signal, opening } = options;
  const texts: PackText[] = [];
  for (const one of data) texts.push(await describeFile(one, { signal }));
  await using owned = new DisposalStack();
  const model = owned.adopt(await loadModel(path, { ...opening, contextSize: LENGTH }), (one) =>
    one.close(),
  );
  const { numLayers: layerId, hiddenSize, counted } = model.config;
  if (counted !== undefined)
    throw new InvalidConfigError(
      `${path} counts, and weighs counts, itself: give packs to it as it is (--pack)`,
    );
  onPhase?.("reading the text");
  const { tokenizer } = model;
  const { vocabSize } = tokenizer;
  const stream = await packDocuments(readAll(data), tokenizer, { signal });
  checkFits(stream, { order, vocabSize });
  onPhase?.(`counting ${stream.tokens.length} tokens in ${FOLDS} folds`);
  const counts = await CrossFittedCounts.of(stream, {
    order,
    vocabSize,
    folds: FOLDS,
    layerId,
    maxBytes,
    signal,
  });
  onPhase?.("the model reads");
  const samples = await readSamples(model, { ...options, stream, counts });
  onPhase?.(`fitting the reader to ${samples.count} tokens`);
  const { alone, mixed, ...reader } = fitMixture(samples, seed);
  const info: PackInfo = {
    order,
    vocabSize,
    vocabulary: Buffer.from(fingerprintOf(tokenizer)).toString("hex"),
    texts,
    documents: stream.starts.length,
    tokens: stream.tokens.length - stream.starts.length,
    reader: { model: markOf(model.language), hiddenSize },
  };
  const id = await writePack(out, { info, counts: countedSources(counts.table).flat(), reader });
  return { out, id, info, numSamples: samples.count, alone, mixed };
}

/** Throws `InvalidConfigError` where counts in folds do not fit into what memory is free. */
function checkFits(stream: TokenStream, of: { order: number; vocabSize: number }): void {
  const { tableBytes, scratchBytes } = estimateCounts(stream, of);
  const needed = (FOLDS + 1) * tableBytes + scratchBytes;
  const { availableBytes: available } = readMachineMemory();
  if (needed <= available) return;
  const mib = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new InvalidConfigError(
    `counting ${stream.tokens.length} tokens in ${FOLDS} folds takes about ${mib(needed)}, ${mib(available)} are free: ` +
      "a reader needs some megabytes of text and not all of it; give it less (--data), or shorter n-grams (--order)",
  );
}

/** What the model and the counts of the other folds say at places of the text. */
async function readSamples(
  model: Model,
  {
    stream,
    counts,
    tokens,
    onProgress,
    signal,
  }: Pick<TrainReaderOptions, "tokens" | "onProgress" | "signal"> & {
    stream: TokenStream;
    counts: CrossFittedCounts;
  },
): Promise<MixtureSamples> {
  const { hiddenSize, maxPositions, numLayers: layerId } = model.config;
  const length = Math.min(LENGTH, maxPositions);
  const most = Math.min(tokens, stream.tokens.length) + length;
  const { width } = counts.inputs[0]!;
  const numChances = counts.numDistributions + 1;
  const hidden = new Float32Array(most * hiddenSize);
  const evidence = new Float32Array(most * width);
  const chances = new Float32Array(most * numChances);
  const reader = counts.trainingReader();
  const beginOf = documentsOf(stream);
  let count = 0;
  await using scorer = await Scorer.create(model.language, { batch: 1, length, hidden: true });
  const scoring = { stride: length, maxTokens: tokens };
  for await (const { tokens: scored, losses } of scorer.batches(stream, {
    ...scoring,
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  }))
    for (const { at, label } of scored) {
      if (count === most) break;
      const from = label - 1;
      const span = { ids: stream.tokens, begin: beginOf(from), from, to: label, source: from };
      const into = new Map([[layerId, evidence.subarray(count * width, (count + 1) * width)]]);
      const { distributions } = reader.lookUp(reader.address([span]), into);
      const row = chances.subarray(count * numChances, (count + 1) * numChances);
      row[0] = Math.exp(-losses[at]!);
      distributions!.chances(0, stream.tokens[label]!, row.subarray(1));
      const state = scorer.hidden!.data as Float32Array;
      hidden.set(state.subarray(at * hiddenSize, (at + 1) * hiddenSize), count * hiddenSize);
      count++;
    }
  return {
    count,
    hidden: hidden.subarray(0, count * hiddenSize),
    evidence: evidence.subarray(0, count * width),
    chances: chances.subarray(0, count * numChances),
  };
}

/** Where the document of a place begins; places are asked for in rising order. */
function documentsOf({ starts }: TokenStream): (place: number) => number {
  let next = 0;
  return (place) => {
    while (next + 1 < starts.length && starts[next + 1]! <= place) next++;
    return starts[next] ?? 0;
  };
}
