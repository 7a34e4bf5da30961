/** Looking into a running model's memory. Changes nothing of what it looks at. */
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
