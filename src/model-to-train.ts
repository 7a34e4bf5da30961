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
  type CountedTable,
  CrossFittedCounts,
  CrossFittedRows,
  numColumns,
  RamStore,
  rowFormat,
  type TokenMap,
  TrainableComposedMemory,
  TrainableHashedMemory,
  USE_CODE_BYTES,
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
import {
  type CountedSizes,
  type FlatArrays,
  flatArrays,
  type Preset,
  type TrainableModel,
} from "./training/index.ts";

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

/** The parts, and the counts of what is read, as a model that a trainer can step, which reads its memory in folds where the recipe says so. */
export function trainableModel(
  { config, tokenMap, layout, arrays, tables }: ModelParts,
  { backend, preset, stream }: { backend: Backend; preset: Preset; stream: TokenStream },
): { model: TrainableModel; counts: CountedTable | undefined } {
  const { engram } = config;
  const { rowFolds } = preset.training;
  const counts = countText(stream, { config, sizes: preset.counted });
  const rows =
    engram === undefined
      ? undefined
      : new TrainableHashedMemory(
          {
            tokenMap,
            addressing: buildAddressing(buildLayout(engram), compressedPad(engram, tokenMap)),
            tables: tables.map(({ layerId, headDim, values }) => ({
              layerId,
              store: values,
              format: rowFormat("f32", headDim),
            })),
          },
          tables,
        );
  const fitted =
    rows === undefined || rowFolds === 0
      ? rows
      : new CrossFittedRows({
          whole: rows,
          withoutFold: Array.from({ length: rowFolds }, () => tablesOfFold(rows, tables)),
          foldLength: Math.ceil(stream.tokens.length / rowFolds),
        });
  const memories = [fitted, counts].filter((memory) => memory !== undefined);
  const memory = memories.length > 1 ? new TrainableComposedMemory(memories) : memories[0];
  const params = paramViews(layout, arrays.params);
  return { model: { config, backend, params, memory }, counts: counts?.table };
}

/** Tables in RAM like those that are kept, for one fold to be read from. */
function tablesOfFold(
  rows: TrainableHashedMemory,
  tables: readonly TrainedTable[],
): TrainableHashedMemory {
  const inRam = (numRows: number, rowBytes: number): RamStore =>
    new RamStore({ numRows, rowBytes });
  return new TrainableHashedMemory(
    {
      ...rows,
      tables: rows.tables.map((table, i) => ({
        ...table,
        store: inRam(tables[i]!.numRows, 4 * tables[i]!.headDim),
      })),
    },
    tables.map(({ numRows }) => ({
      moments: inRam(numRows, 4),
      uses: inRam(numRows, USE_CODE_BYTES),
    })),
  );
}

/** What followed each context of the text, as a whole and without each fold. */
function countText(
  stream: TokenStream,
  {
    config: { counted, vocabSize, numLayers },
    sizes,
  }: { config: ModelConfig; sizes: CountedSizes },
): CrossFittedCounts | undefined {
  if (counted === undefined) return undefined;
  const { order } = counted;
  return new CrossFittedCounts(stream, { ...sizes, order, vocabSize, layerId: numLayers });
}
