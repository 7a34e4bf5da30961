/** Training's files: texts to read, runs to log and resume. */
export type { MetricsLine } from "./metrics-log.ts";
export {
  checkTexts,
  HOLD_OUT_RULE,
  isHeldOut,
  readAll,
  readDocuments,
  readPart,
} from "./read-documents.ts";
export { checkGrownFile } from "./check-grown-file.ts";
export { readState } from "./state-file.ts";
export { carryRecord, fingerprint, readRunRecord, RunDirectory } from "./run-directory.ts";
export { describeFile, describeRun, readSurroundings } from "./run-facts.ts";
export { refuseIfHeld, RunLock } from "./run-lock.ts";
export { inWorkDirectory } from "./work-directory.ts";
export { readRunLog, type ReadRunLogOptions, type RunLogPart } from "./run-log.ts";
export { checkRunDirectory, openRuns, type Run, type RunState, type RunSummary } from "./runs.ts";
export { restoreTrainingState, saveTrainingState } from "./training-state.ts";
