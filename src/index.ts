/// <reference types="node" preserve="true" />
/** The public API of engram-lm. What is not listed here is private. */
export {
  BackendError,
  EngramError,
  FormatError,
  InvalidConfigError,
  InvariantError,
  RequestError,
  ShapeError,
  StoreError,
  UnavailableError,
} from "./errors.ts";
export { type BitsPerByte, bitsPerByte } from "./eval/index.ts";
export {
  generateText,
  type GeneratedText,
  type GenerateTextOptions,
  StopStrings,
  type TextModel,
} from "./generate-text.ts";
export {
  createSampler,
  generate,
  type GenerateOptions,
  type LanguageModel,
  type Sampler,
  type SamplingOptions,
  Scheduler,
  type SchedulerOptions,
  type Session,
} from "./inference/index.ts";
export { MemoryInspector, TableTraffic } from "./inspect/index.ts";
export { loadModel, type LoadModelOptions, type Model } from "./load-model.ts";
export {
  buildTokenMap,
  cached,
  type CacheOptions,
  type CacheStats,
  type EngramConfig,
  measured,
  openHttpStore,
  parseEngramConfig,
  RamStore,
  type RetrievalTable,
  rowFormat,
  type RowStore,
  rowsForIds,
  type TokenMap,
  type RowFormat,
  type StoreStats,
  type WritableRowStore,
} from "./memory/index.ts";
export {
  openFileStore,
  openTableFile,
  openValkeyStore,
  writeTableFile,
  writeValkeyTable,
} from "./memory/stores/node/index.ts";
export type { ModelConfig, WeightDtype } from "./model/index.ts";
export { saveModel, type ModelToSave } from "./save-model.ts";
export { ortBackend, type OrtBackendOptions } from "./tensor/backends/onnx/node/index.ts";
export type { EngramServer, ServerOptions } from "./server/index.ts";
export { createServer, listen, type Listener, type ListenOptions } from "./server/node/index.ts";
export { type Backend, referenceBackend } from "./tensor/index.ts";
export {
  type StreamDecoder,
  type Tokenizer,
  toTokenizerJson,
  trainBpe,
} from "./tokenizer/index.ts";
export { openTokenizerFile } from "./tokenizer/node/index.ts";
export {
  trainModel,
  type TrainEvent,
  type TrainModelOptions,
  type TrainResult,
} from "./train-model.ts";
export { findPreset, type Preset, presetNames } from "./training/index.ts";
