/** Studies as files and processes. */
export { type CommandOf, runStudy, type RunStudyOptions } from "./run-study.ts";
