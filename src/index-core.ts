/**
 * `engram-lm/core`: a model and what it is made of, on any platform: no module of Node, nothing of a server or of
 * training. What computes is given to it: `wasmBackend` drives onnxruntime-web's engine, wherever that
 * came from.
 *
 * @module engram-lm/core
 */
export { webTables } from "./at-rest/index.ts";
export { type ByteRanges, type ByteSource, type HttpOptions, httpSource } from "./bytes/index.ts";
export {
  BackendError,
  EngramError,
  FormatError,
  InvalidConfigError,
  RequestError,
  StoreError,
} from "./errors.ts";
export {
  generateText,
  type GeneratedText,
  type GenerateTextOptions,
  type TextModel,
} from "./generate-text.ts";
export {
  createSampler,
  generate,
  type GenerateOptions,
  type LanguageModel,
  type Reading,
  type Sampler,
  type SamplingOptions,
  type Session,
  type View,
} from "./inference/index.ts";
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
  type RowFormat,
  rowFormat,
  rowsForIds,
  type RowStore,
  type StoreStats,
  type TokenMap,
  type WritableRowStore,
} from "./memory/index.ts";
export type { ModelConfig, WeightDtype } from "./model/index.ts";
export { type Engine, openModel, type Placement } from "./open-model.ts";
export { Model } from "./opened-model.ts";
export {
  type MakeOrtModule,
  type OrtModule,
  wasmBackend,
  type WasmBackendOptions,
} from "./tensor/backends/onnx/index.ts";
export { StopStrings } from "./stop-strings.ts";
export { type Backend, referenceBackend } from "./tensor/index.ts";
export { openTokenizer, type StreamDecoder, type Tokenizer } from "./tokenizer/index.ts";
