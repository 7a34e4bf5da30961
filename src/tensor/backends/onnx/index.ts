/** Graphs as ONNX models, without a runtime to run them. */
export {
  type InPlacePair,
  type InputLimit,
  lower,
  type LowerOptions,
  type OnnxModel,
} from "./lower.ts";
