/// <reference types="node" preserve="true" />
/**
 * The public API of engram-lm on Node: models are opened, write and are measured. `engram-lm/core` has what they are
 * made of. What no entry exports is private.
 *
 * @module engram-lm
 */
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
  type TextModel,
} from "./generate-text.ts";
export type { LanguageModel, SamplingOptions, Session } from "./inference/index.ts";
export { MemoryInspector, TableTraffic } from "./inspect/index.ts";
export { loadModel, type LoadModelOptions } from "./load-model.ts";
export type { Model } from "./opened-model.ts";
export {
  cached,
  type CacheOptions,
  type CacheStats,
  measured,
  openHttpStore,
  type RowStore,
  type StoreStats,
  type WritableRowStore,
} from "./memory/index.ts";
export { openTableFile, writeTableFile } from "./memory/stores/ranges/node/index.ts";
export { openValkeyStore, writeValkeyTable } from "./memory/stores/valkey/node/index.ts";
export type { WeightDtype } from "./model/index.ts";
export { ortBackend, type OrtBackendOptions } from "./tensor/backends/onnx/node/index.ts";
export { type Backend, referenceBackend } from "./tensor/index.ts";
export type { Tokenizer } from "./tokenizer/index.ts";
export { openTokenizerFile } from "./tokenizer/node/index.ts";
