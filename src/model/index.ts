/** The transformer and the fusion of memory into it: ids + memory -> logits, as graphs. */
export { activationBytes } from "./activations.ts";
export {
  checkModelConfig,
  keyValueBytes,
  type ModelConfig,
  modelConfigToJson,
  parseModelConfig,
} from "./config.ts";
export { engramGate, gateOf, shortConv } from "./engram.ts";
export {
  type BatchShape,
  convHistory,
  decodeGraph,
  decodeParts,
  type DecodeShape,
  evalGraph,
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
export { ropeAngles } from "./rope.ts";
export { type LayerRange } from "./transformer.ts";
