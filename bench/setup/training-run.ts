/**
 * A training run in memory on made-up tokens, for benches: the real trainer, model, tables and
 * optimizers, without files, texts or a tokenizer. Tokens follow Zipf's law, so that rows repeat within
 * a batch about as they do in text. The memory is the preset's learned rows alone, in one table a layer: no counts, no folds.
 */
import type { TokenStream } from "../../src/inference/index.ts";
import {
  buildAddressing,
  buildLayout,
  type EngramConfig,
  RamStore,
  rowFormat,
  type TokenMap,
  TrainableHashedMemory,
  USE_CODE_BYTES,
} from "../../src/memory/index.ts";
import { initialParams, type ModelConfig, paramLayout, paramViews } from "../../src/model/index.ts";
import { Random } from "../../src/numerics/index.ts";
import { adviseHugePages } from "../../src/tensor/backends/onnx/node/index.ts";
import type { Backend } from "../../src/tensor/index.ts";
import {
  flatArrays,
  type Preset,
  type TrainableModel,
  Trainer,
  type TrainingState,
} from "../../src/training/index.ts";

/** `length` ids below `vocabSize` whose frequencies fall as 1/rank. */
export function zipfTokens(length: number, vocabSize: number): TokenStream {
  const random = Random.fromSeed(1, "bench tokens");
  const tokens = new Uint16Array(length);
  for (let i = 0; i < length; i++)
    tokens[i] = Math.min(vocabSize - 1, Math.floor(vocabSize ** random.uniform()) - 1);
  return { tokens, starts: Uint32Array.of(0), numBytes: 4 * length };
}

export interface BenchRun {
  readonly model: TrainableModel;
  readonly trainer: Trainer;
  readonly state: TrainingState;
}

/** A run of `preset`; with `bucketRows` its memory has that many rows a bucket, with 0 none. */
export async function benchRun(
  preset: Preset,
  { backend, bucketRows }: { backend: Backend; bucketRows?: number },
): Promise<BenchRun> {
  const { vocabSize } = preset;
  const compressedVocabSize = Math.ceil(vocabSize * 0.77);
  const engram: EngramConfig = {
    ...preset.memory,
    ...(bucketRows ? { minBucketRows: preset.memory.minBucketRows.map(() => bucketRows) } : {}),
    padTokenId: 0,
    compressedVocabSize,
    seed: 0,
  };
  const isOn = bucketRows !== 0;
  const config: ModelConfig = { ...preset.model, vocabSize, ...(isOn ? { engram } : {}) };
  const layout = paramLayout(config);
  const arrays = flatArrays(layout, initialParams(layout, 1));
  const tokenMap: TokenMap = {
    map: Int32Array.from({ length: vocabSize }, (_, id) => id % compressedVocabSize),
    compressedVocabSize,
  };
  const engramLayout = buildLayout(engram);
  const format = rowFormat("f32", engram.headDim);
  const store = (numRows: number, rowBytes: number): RamStore =>
    new RamStore({ numRows, rowBytes, advise: adviseHugePages });
  const tables = isOn
    ? engramLayout.layers.map(({ layerId, numRows }) => ({
        layerId,
        format,
        store: store(numRows, format.rowBytes),
      }))
    : [];
  const states = tables.map((table) => ({
    moments: store(table.store.numRows, 4),
    uses: store(table.store.numRows, USE_CODE_BYTES),
  }));
  const addressing = buildAddressing(engramLayout, 0);
  const model: TrainableModel = {
    config,
    backend,
    params: paramViews(layout, arrays.params),
    memory: isOn ? new TrainableHashedMemory({ tokenMap, addressing, tables }, states) : undefined,
  };
  const state: TrainingState = {
    layout,
    arrays,
    step: 0,
  };
  const recipe = { ...preset.training, steps: 1_000_000 };
  const stream = zipfTokens(2_000_000, vocabSize);
  const trainer = await Trainer.create(model, state, { recipe, stream, seed: 1 });
  return { model, trainer, state };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >>> 1]!;
}
