/// <reference types="node" preserve="true" />
/**
 * `engram-lm/eval`: what a memory is worth, as functions: a text scored token by token under any view, the audit with
 * all its controls, and benchmarks.
 *
 * @module engram-lm/eval
 */
export { audit, auditSvg, firstTokens, scoreText } from "./eval/index.ts";
export type { AuditOptions, AuditReport, ScoredText, ScoreTextOptions } from "./eval/index.ts";
export { type BitsPerByte, bitsPerByteOfStream, type BitsPerByteOptions } from "./eval/index.ts";
export {
  differences,
  evaluateSet,
  type EvaluateOptions,
  harnessResults,
  harnessTable,
  sampleLines,
  type SetResult,
  type Subject,
  type TaskSet,
} from "./eval/tasks/index.ts";
export { openJudge, openTasks } from "./eval/tasks/node/index.ts";
export { type TokenStream, type View, withoutMemory } from "./inference/index.ts";
export { type Ablation, withoutParts } from "./memory/index.ts";
export { type Document, packDocuments } from "./training/index.ts";
