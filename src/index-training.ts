/// <reference types="node" preserve="true" />
/**
 * `engram-lm/training`: vocabularies and models are learned from texts, and written.
 *
 * @module engram-lm/training
 */
export { saveModel, type ModelToSave } from "./save-model.ts";
export { toTokenizerJson, trainBpe } from "./tokenizer/index.ts";
export {
  trainModel,
  type TrainEvent,
  type TrainModelOptions,
  type TrainResult,
} from "./train-model.ts";
export { findPreset, type Preset, presetNames } from "./training/index.ts";
