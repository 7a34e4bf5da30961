/** Ids -> ids: sessions, sampling, generation and scoring. */
export { generate, type GenerateOptions } from "./generate.ts";
export {
  checkTokenIds,
  type LanguageModel,
  type ModelMemory,
  withoutMemory,
} from "./language-model.ts";
export { argmax, createSampler, type Sampler, type SamplingOptions } from "./sampling.ts";
export { type Score, Scorer, type ScoreOptions } from "./scorer.ts";
export { Decoder, type Session } from "./session.ts";
export { type Batch, emptyBatch, fillWindow, type TokenStream } from "./windows.ts";
