/**
 * What a training run changes, and the model made of it: weights, tables, and the memory as training reads it. Beside
 * `train-model.ts`, which says what happens to them; knows no files, no steps, no progress.
 */
import type { TableShape, TrainedTable } from "./at-rest/node/index.ts";
import type { TokenStream } from "./inference/index.ts";
import {
  buildAddressing,
  buildLayout,
  buildTokenMap,
  compressedPad,
  CrossFittedCounts,
  CrossFittedRows,
  Folds,
  numColumns,
  rowFormat,
  type TokenMap,
  TrainableComposedMemory,
  TrainableHashedMemory,
} from "./memory/index.ts";
import {
  initialParams,
  type ModelConfig,
  paramLayout,
  type ParamLayout,
  paramViews,
} from "./model/index.ts";
import { modelOfPreset } from "./model-of-preset.ts";
import type { Backend } from "./tensor/index.ts";
import type { Tokenizer } from "./tokenizer/index.ts";
import { type FlatArrays, flatArrays, type Preset, type TrainableModel } from "./training/index.ts";

/** Everything a run changes, at its start values. */
export interface ModelParts {
  readonly config: ModelConfig;
  readonly tokenMap: TokenMap;
  readonly layout: ParamLayout;
  readonly arrays: FlatArrays;
  readonly tables: readonly TrainedTable[];
}

/** A run's start: weights drawn from the seed, tables at zero. */
export function createParts({
  preset,
  tokenizer,
  seed,
  memory,
  plan,
  makeTables,
}: {
  preset: Preset;
  tokenizer: Tokenizer;
  seed: number;
  memory: boolean;
  /** Throws if such a model does not fit into this machine. */
  plan: (model: ModelConfig) => void;
  makeTables: (shapes: readonly TableShape[], columns: number) => TrainedTable[];
}): ModelParts {
  const tokenMap = buildTokenMap(tokenizer);
  const config = modelOfPreset(preset, {
    memory,
    vocabSize: tokenizer.vocabSize,
    eosTokenId: tokenizer.eosTokenId!,
    compressedVocabSize: tokenMap.compressedVocabSize,
  });
  const { engram } = config;
  const layout = paramLayout(config);
  plan(config);
  const tables = engram
    ? makeTables(
        buildLayout(engram).layers.map(({ layerId, numRows }) => ({
          layerId,
          headDim: engram.headDim,
          numRows,
        })),
        numColumns(engram),
      )
    : [];
  return {
    config,
    tokenMap,
    layout,
    arrays: flatArrays(layout, initialParams(layout, seed)),
    tables,
  };
}

/**
 * The parts as a model that a trainer can step, with the counts of what is read. Its memory is read in folds as the
 * recipe says.
 */
export function trainableModel(
  { config, tokenMap, layout, arrays, tables }: ModelParts,
  { backend, preset, stream }: { backend: Backend; preset: Preset; stream: TokenStream },
): { model: TrainableModel; counts: CrossFittedCounts | undefined } {
  const { engram, counted, vocabSize, numLayers: layerId } = config;
  const counts =
    counted && CrossFittedCounts.of(stream, { ...preset.counted, ...counted, vocabSize, layerId });
  const { rowFolds } = preset.training;
  const parts = engram && {
    tokenMap,
    addressing: buildAddressing(buildLayout(engram), compressedPad(engram, tokenMap)),
    tables: tables.map(({ layerId: ofLayer, headDim, values }) => ({
      layerId: ofLayer,
      store: values,
      format: rowFormat("f32", headDim),
    })),
  };
  const rows =
    parts &&
    (rowFolds > 0
      ? new CrossFittedRows(parts, tables, new Folds(stream.tokens.length, rowFolds))
      : new TrainableHashedMemory(parts, tables));
  const memories = [rows, counts].filter((memory) => memory !== undefined);
  const memory = memories.length > 1 ? new TrainableComposedMemory(memories) : memories[0];
  const params = paramViews(layout, arrays.params);
  return { model: { config, backend, params, memory }, counts };
}
