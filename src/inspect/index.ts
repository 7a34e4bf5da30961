/** Inspects a memory, during a model's reading and as a whole. Changes nothing in it. */
export { inspectIds, type InspectOptions, maxInspectedIds } from "./inspect-ids.ts";
export { CorpusIndex } from "./corpus-index.ts";
export type * from "./report.ts";
export {
  type Bucket,
  type BucketFill,
  MemoryInspector,
  type TableReport,
  type TextPiece,
} from "./memory-inspector.ts";
export {
  type BucketCollisions,
  type CollisionReport,
  expectedDistinctRows,
  expectedSharedNgrams,
  NgramCollisions,
  type NgramCollisionsOptions,
  ngramsBehind,
} from "./ngram-collisions.ts";
export { rowStatistics, type RowStatistics, type RowStatisticsOptions } from "./row-statistics.ts";
export { type StorePlace, TableTraffic, type TierReport } from "./table-traffic.ts";
export { memoryInspector, readCorpus } from "./when-needed.ts";
