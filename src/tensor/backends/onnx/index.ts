export {
  type InPlacePair,
  type InputLimit,
  lower,
  type LowerOptions,
  type OnnxModel,
} from "./lower.ts";
