/**
 * `engram-lm/web`: models in a page, with the names of `engram-lm`. What runs in a worker of your own is in `./core`.
 *
 * @module engram-lm/web
 */
export {
  type EngineFiles,
  generateText,
  loadModel,
  type LoadModelOptions,
  type Progress,
  removeKept,
  type SessionRequest,
  WebModel,
  type WebSession,
} from "./browser/index.ts";
export {
  BackendError,
  EngramError,
  FormatError,
  InvalidConfigError,
  RequestError,
  StoreError,
} from "./errors.ts";
export type {
  Fact,
  FactRequest,
  ForgetOptions,
  Forgotten,
  Quota,
  Selection,
  Taught,
  TeachOptions,
  TextToLearn,
} from "./facts/index.ts";
export type { GeneratedText, GenerateTextOptions } from "./generate-text.ts";
export type { Reading, Want } from "./inference/index.ts";
