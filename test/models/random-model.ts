/**
 * A small model with random weights and random table rows, in memory: for tests of whatever runs
 * models. Knows no files and no tokenizer; its token map folds neighbouring ids together.
 */
import type { LanguageModel } from "../../src/inference/index.ts";
import {
  buildAddressing,
  buildLayout,
  type EngramConfig,
  HashedMemory,
  type Memory,
  RamStore,
  rowFormat,
} from "../../src/memory/index.ts";
import {
  initialParams,
  isQuantizable,
  type ModelConfig,
  paramLayout,
  paramSpecs,
  paramViews,
  type QuantizedMatrix,
  quantizeMatrix,
} from "../../src/model/index.ts";
import { Random } from "../../src/numerics/index.ts";
import type { Backend } from "../../src/tensor/index.ts";

export const smallEngram: EngramConfig = {
  layerIds: [1],
  maxNgramSize: 3,
  numHeads: 2,
  headDim: 8,
  minBucketRows: [31, 53],
  padTokenId: 0,
  compressedVocabSize: 20,
  seed: 0,
};

export const smallConfig: ModelConfig = {
  vocabSize: 40,
  hiddenSize: 16,
  numLayers: 2,
  numHeads: 4,
  numKvHeads: 2,
  headDim: 8,
  intermediateSize: 24,
  rmsNormEps: 1e-6,
  ropeTheta: 10_000,
  maxPositions: 32,
  tieEmbeddings: true,
  engram: smallEngram,
  engramKernelSize: 0,
};

/** As `smallConfig`, as wide as weights must be to be packed. */
export const packableConfig: ModelConfig = { ...smallConfig, hiddenSize: 32, intermediateSize: 64 };

/** The same model with its weights packed. */
export function packedModel<OfMemory extends Memory>(
  model: LanguageModel<OfMemory>,
  bits: 4 | 8,
): LanguageModel<OfMemory> {
  const params = { ...model.params };
  const quantized = new Map<string, QuantizedMatrix>();
  for (const spec of paramSpecs(model.config).filter(isQuantizable)) {
    quantized.set(spec.name, quantizeMatrix(params[spec.name]!, bits));
    delete params[spec.name];
  }
  return { ...model, params, quantized };
}

/** Weights are drawn wide, so that logits differ by more than rounding from token to token. */
export async function randomModel(
  backend: Backend,
  config: ModelConfig = smallConfig,
): Promise<LanguageModel<HashedMemory>> {
  const layout = paramLayout(config);
  const params = initialParams(layout, 3);
  for (let i = 0; i < params.length; i++) if (params[i] !== 1) params[i] = params[i]! * 10;
  const kernels = layout.specs.filter(({ name }) => name.endsWith("conv.weight"));
  const random = Random.fromSeed(3, "test model");
  for (const { name, shape } of kernels) {
    const start = layout.offsets.get(name)!;
    random.fillNormal(params.subarray(start, start + shape[0]! * shape[2]!), 0.5);
  }
  const { engram } = config;
  if (engram === undefined)
    return { config, backend, params: paramViews(layout, params), memory: undefined };
  const engramLayout = buildLayout(engram);
  const format = rowFormat("f32", engram.headDim);
  const tables = engramLayout.layers.map(({ layerId, numRows }) => {
    const store = new RamStore({ numRows, rowBytes: format.rowBytes });
    const values = new Float32Array(numRows * engram.headDim);
    random.fillNormal(values, 1);
    store.writeSync(
      Uint32Array.from({ length: numRows }, (_, row) => row),
      new Uint8Array(values.buffer),
    );
    return { layerId, store, format };
  });
  const map = Int32Array.from({ length: config.vocabSize }, (_, id) => id >>> 1);
  return {
    config,
    backend,
    params: paramViews(layout, params),
    memory: new HashedMemory({
      tokenMap: { map, compressedVocabSize: engram.compressedVocabSize },
      addressing: buildAddressing(engramLayout, 0),
      tables,
    }),
  };
}
