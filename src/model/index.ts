/** The transformer and the fusion of memory into it: ids + memory -> logits, as graphs. */
export {
  checkModelConfig,
  type ModelConfig,
  modelConfigToJson,
  parseModelConfig,
} from "./config.ts";
export { engramGate, gateOf, shortConv } from "./engram.ts";
export {
  type BatchShape,
  convHistory,
  decodeGraph,
  divergenceGraph,
  type DecodeShape,
  evalGraph,
  type EvalShape,
  io,
  trainGraph,
} from "./graphs.ts";
export {
  embedName,
  headName,
  initialParams,
  layerName,
  numParams,
  type ParamLayout,
  paramLayout,
  type ParamSpec,
  paramSpecs,
  paramViews,
} from "./params.ts";
export {
  bitsOf,
  parseQuantization,
  quantizationToJson,
  WEIGHT_DTYPES,
  type WeightDtype,
} from "./quantization.ts";
export { ropeAngles } from "./rope.ts";
export {
  dequantizeMatrix,
  isQuantizable,
  type QuantizedMatrix,
  type QuantizedWeights,
  quantizeMatrix,
} from "./weights.ts";
