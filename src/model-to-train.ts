/**
 * What a training run changes, and the model made of it: weights, tables, and the memory as training reads it. Beside
 * `train-model.ts`, which says what happens to them; knows no files, no steps, no progress.
 */
import type { TableShape, TrainedTable } from "./at-rest/index.ts";
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
  openMixture,
  paramLayout,
  type ParamLayout,
  paramViews,
  type TrainedPart,
} from "./model/index.ts";
import { modelOfPreset } from "./model-of-preset.ts";
import type { OriginModel } from "./origin-model.ts";
import type { Backend, Values } from "./tensor/index.ts";
import type { Tokenizer } from "./tokenizer/index.ts";
import { type FlatArrays, flatArrays, type Preset, type TrainableModel } from "./training/index.ts";

/** Everything a run changes, at its start values. */
export interface ModelParts {
  readonly config: ModelConfig;
  readonly tokenMap: TokenMap;
  /** Of the weights that are trained. */
  readonly layout: ParamLayout;
  readonly arrays: FlatArrays;
  /** All weights; those that are trained are views of the arrays. */
  readonly params: Values;
  readonly tables: readonly TrainedTable[];
}

/** A run's start: weights of the model that it goes on from, or drawn from the seed; tables at zero. */
export async function createParts({
  preset,
  origin,
  train,
  tokenizer,
  seed,
  memory,
  plan,
  makeTables,
}: {
  preset: Preset;
  origin: OriginModel | undefined;
  train: TrainedPart;
  tokenizer: Tokenizer;
  seed: number;
  memory: boolean;
  /** Throws if such a model does not fit into this machine. */
  plan: (model: ModelConfig) => void;
  makeTables: (shapes: readonly TableShape[], columns: number) => TrainedTable[];
}): Promise<ModelParts> {
  const tokenMap = buildTokenMap(tokenizer);
  const config =
    origin?.configFor(tokenizer, tokenMap) ??
    modelOfPreset(preset, {
      memory,
      vocabSize: tokenizer.vocabSize,
      eosTokenId: tokenizer.eosTokenId!,
      compressedVocabSize: tokenMap.compressedVocabSize,
    });
  const { engram } = config;
  const layout = paramLayout(config, train);
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
  const drawn = initialParams(layout, seed);
  const trained = paramViews(layout, drawn);
  const weights = await origin?.weights();
  if (weights !== undefined)
    for (const [name, { data }] of Object.entries(trained)) data.set(weights[name]!.data);
  if (config.counted !== undefined) openMixture(trained, config);
  const params = { ...weights, ...trained };
  return { config, tokenMap, layout, arrays: flatArrays(layout, drawn), params, tables };
}

/**
 * The parts as a model that a trainer can step, with the counts of what is read. Its memory is read in folds as the
 * recipe says.
 */
export async function trainableModel(
  { config, tokenMap, params, tables }: ModelParts,
  {
    backend,
    preset,
    stream,
    signal,
  }: { backend: Backend; preset: Preset; stream: TokenStream; signal: AbortSignal | undefined },
): Promise<{ model: TrainableModel; counts: CrossFittedCounts | undefined }> {
  const { engram, counted, vocabSize, numLayers: layerId } = config;
  const sizes = { ...preset.counted, ...counted, vocabSize, layerId };
  const counts = counted && (await CrossFittedCounts.of(stream, { ...sizes, signal }));
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
  return { model: { config, backend, params, memory }, counts };
}
