/** Looking into a memory while a model reads: tokens, rows, gates, losses, and who shares a row. */
export { inspectIds, type InspectOptions, maxInspectedIds } from "./inspect-ids.ts";
export { CorpusIndex } from "./corpus-index.ts";
export type * from "./report.ts";
