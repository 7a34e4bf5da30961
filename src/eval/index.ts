/** Measures how good a model is. */
export { audit, type AuditOptions } from "./audit/audit.ts";
export { auditSvg } from "./audit/audit-svg.ts";
export { firstTokens } from "./audit/first-tokens.ts";
export { type ScoredText, scoreText, type ScoreTextOptions } from "./audit/scored-text.ts";
export {
  type AuditReport,
  type ClassReport,
  type CopyReport,
  type DifferenceReport,
  GROUP_HEADS,
  kindsOf,
  type RowReport,
} from "./audit/report.ts";
export { type IntervalPlot, intervalPlots } from "./interval-plot.ts";
export {
  type BitsPerByte,
  bitsPerByte,
  bitsPerByteOfStream,
  type BitsPerByteOptions,
} from "./bits-per-byte.ts";
export { certify, type Certified, type CertifiedCandidate } from "./certify.ts";
