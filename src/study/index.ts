/** Studies: what is compared, said before it is measured. */
export { type ArmTraining, parseStudy, type Study } from "./study-file.ts";
export type { PredictionReport, StudyReport } from "./report.ts";
export { differenceWords, estimateWords } from "./report-markdown.ts";
