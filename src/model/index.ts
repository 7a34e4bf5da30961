/** The transformer and the fusion of memory into it: ids + memory -> logits, as graphs. */
export { activationBytes, scoringBytes } from "./activations.ts";
export {
  blockOf,
  checkModelConfig,
  GATE_BOUNDS,
  keyValueBytes,
  type ModelConfig,
} from "./config.ts";
export { writePositions } from "./positions.ts";
export { rotaryInputs, rotaryInputsAt } from "./rotary-inputs.ts";
export { engramGate, gateOf, shortConv } from "./engram.ts";
export {
  type BatchShape,
  convHistory,
  decodeGraph,
  decodeParts,
  type DecodeShape,
  type EvalShape,
  io,
  type MemoryInputs,
} from "./graphs.ts";
export { divergenceGraph, evalGraph } from "./packed-graphs.ts";
export { trainGraph } from "./train-graph.ts";
export {
  familyOf,
  modelConfigToJson,
  parseDocumentStart,
  parseModelConfig,
  readModelConfig,
} from "./families/config-json.ts";
export {
  aloneStored,
  layersPrefix,
  type StoredTensor,
  storedTensors,
} from "./families/stored-tensors.ts";
export { embedName, headName, layerName, numParams, paramSpecs } from "./params.ts";
export { initialParams } from "./initial-params.ts";
export {
  type ParamLayout,
  paramLayout,
  paramViews,
  type TrainedPart,
  trainedSpecs,
} from "./param-layout.ts";
export type { ParamSpec } from "./kind.ts";
export { joinWeights } from "./joined-weights.ts";
export { blockRows, isInBlocks, numbersByRows, placeOf } from "./row-blocks.ts";
export { dequantizeMatrix, quantizeMatrix } from "./packed-matrix.ts";
export { closeMixture, mixtureValues, openMixture } from "./mixture.ts";
export {
  bitsOf,
  parseQuantization,
  quantizationToJson,
  WEIGHT_DTYPES,
  type WeightDtype,
} from "./quantization.ts";
export {
  isQuantizable,
  packingAtRest,
  type QuantizedMatrix,
  type QuantizedWeights,
  type WeightForm,
} from "./weights.ts";
export { type LayerRange } from "./transformer.ts";
export {
  pastGraph,
  type PastShape,
  vectorGraph,
  vectorIo,
  type VectorShape,
} from "./vector-graphs.ts";
export {
  ggufConfigJson,
  type GgufFacts,
  type GgufPart,
  ggufParts,
} from "./families/gguf-config.ts";
