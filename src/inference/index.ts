/** Ids -> ids: sessions, batches, sampling, generation and scoring. */
export { BatchDecoder, type BatchEntry } from "./batch-decoder.ts";
export type { Constraint } from "./constraint.ts";
export {
  compareModels,
  type CompareOptions,
  type Comparison,
  type Divergence,
} from "./divergence.ts";
export { documentEnd } from "./document-end.ts";
export { generate, type GenerateOptions } from "./generate.ts";
export type {
  FinishReason,
  Generation,
  GenerationRequest,
  GenerationStep,
  PromptStep,
  TokenStep,
  Trace,
} from "./generation-job.ts";
export {
  checkTokenIds,
  type CompiledGraph,
  ExecutableCache,
  inputsOf,
  type LanguageModel,
  withoutMemory,
} from "./language-model.ts";
export { type MemoryCosts, type MemoryReport, reportMemory } from "./memory-meter.ts";
export { logProbsOf, type TokenLogProb, type TokenLogProbs } from "./log-probs.ts";
export { argmax, createSampler, type Sampler, type SamplingOptions } from "./sampling.ts";
export { type Places, Scheduler, type SchedulerOptions } from "./scheduler.ts";
export { type Score, Scorer, type ScoreOptions, type ScorerOptions } from "./scorer.ts";
export { Decoder, type DecoderOptions } from "./decoder.ts";
export type { Reading, Want, WriteSizes } from "./reading.ts";
export { commonPrefix, type Session, type SessionOptions } from "./session.ts";
export type { View } from "./view.ts";
export { type Batch, emptyBatch, fillWindow, spansOf, type TokenStream } from "./windows.ts";
export { type Window, windowStarts } from "./window-starts.ts";
