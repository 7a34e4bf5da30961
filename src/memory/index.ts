/** Retrieval: ids -> row ids -> rows -> vectors. No tensors. Stores that need a platform have their own index. */
export { ablated, type Ablation } from "./ablated.ts";
export {
  addressBatch,
  type AddressBatchOptions,
  type Addressing,
  buildAddressing,
  compressedPad,
  rowsForIds,
  type RowsQuery,
} from "./addressing.ts";
export {
  type AddressConfig,
  checkStoredConstants,
  type EngramConfig,
  engramConfigToJson,
  findEngramConfig,
  memoryWidth,
  numColumns,
  parseAddressConfig,
  parseEngramConfig,
} from "./config.ts";
export { convertedRows, type ConvertedPart } from "./convert.ts";
export { RowDeduper, type UniqueRows } from "./dedupe.ts";
export { checkRowValues } from "./finite-rows.ts";
export {
  buildHashPlan,
  checkCompressedIds,
  DEAD,
  type HashPlan,
  type HashPlanOptions,
  hashRange,
  type HashRange,
} from "./hash.ts";
export {
  buildLayout,
  checkHashConstants,
  type EngramLayout,
  hashConstants,
  type LayerConstants,
  type LayerLayout,
  layerMultipliers,
  layerOf,
} from "./layout.ts";
export { TrainableComposedMemory } from "./composed.ts";
export { CrossFittedRows, type TrainedRows } from "./cross-fitted-rows.ts";
export { Folds } from "./folds.ts";
export { HashedMemory, type HashedMemoryParts } from "./hashed-memory.ts";
export { type CountedDirectory } from "./counted/bucket-placement.ts";
export {
  type CountedText,
  MAX_ORDER,
  type PlaceRange,
  sortByContext,
} from "./counted/context-order.ts";
export { blocksPerPosition, numContextsIn } from "./counted/bucket-placement.ts";
export { DISCOUNT_BESIDE_A_MODEL } from "./counted/count-rows.ts";
export { CountedMemory } from "./counted/counted-memory.ts";
export { type CountsEstimate, estimateCounts } from "./counted/estimate-bytes.ts";
export { evidenceWidth } from "./counted/evidence.ts";
export {
  BLOCK_BYTES,
  buildCountedTable,
  checkDirectory,
  type CountedBytes,
  countedBytes,
  type CountedTable,
  leastCountedBytes,
} from "./counted/counted-table.ts";
export { CrossFittedCounts, tableInRam } from "./counted/cross-fitted.ts";
export type {
  Addresses,
  Distributions,
  LookUp,
  Memory,
  MemoryInput,
  MemoryReader,
  TokenSpan,
  TrainableMemory,
  TrainableReader,
} from "./memory.ts";
export { NgramIndex } from "./ngrams.ts";
export { meanRows, noiseRows, shuffledRows } from "./other-rows.ts";
export { composed, countsOf, rowsOf, withCounts, withoutParts, withRows } from "./parts.ts";
export { normalizeToken } from "./normal-form.ts";
export { Retrieval, type RetrievalTable, type RowBatch } from "./retrieval.ts";
export {
  isRowFormatName,
  ROW_FORMAT_NAMES,
  type RowFormat,
  rowFormat,
  type RowFormatName,
} from "./row-format.ts";
export {
  countOfCode,
  countUses,
  type HotRows,
  hottestRows,
  type HottestRowsOptions,
  type RowUses,
  USE_CODE_BYTES,
  type UseCodes,
} from "./row-use.ts";
export {
  buildConformanceKit,
  checkAgainstKit,
  type ConformanceKit,
  type KitReport,
} from "./conformance-kit.ts";
export {
  checkRead,
  checkTableSize,
  checkWrite,
  type RowStore,
  type WritableRowStore,
} from "./store.ts";
export { type CachePolicy, windowShares, type WindowShares } from "./stores/cache/admission.ts";
export { rowsInRanges } from "./stores/ranges/rows-in-ranges.ts";
export { zeroed, type ZeroedRows } from "./stores/wrappers/zeroed.ts";
export {
  type CacheOptions,
  type CacheStats,
  type RowCounts,
} from "./stores/cache/cache-options.ts";
export { cached, CachedStore } from "./stores/cache/cached.ts";
export {
  checkBins,
  counted,
  CountedStore,
  type CountOptions,
  type RowBins,
} from "./stores/wrappers/counted.ts";
export { type HttpStoreOptions, openHttpStore } from "./stores/ranges/http.ts";
export { type OpenTableOptions, TableFileStore } from "./stores/ranges/table-file.ts";
export {
  type LatencyBucket,
  type LatencySummary,
  measured,
  MeasuredStore,
  type MeterOptions,
  type StoreStats,
} from "./stores/wrappers/measured.ts";
export { SideBySideStore } from "./stores/wrappers/side-by-side.ts";

export {
  planTableMemory,
  type TableMemory,
  type TableMemoryPlan,
  type TableMemoryRequest,
} from "./stores/out-of-core/out-of-core-memory.ts";
export { RamStore, type RamStoreOptions } from "./stores/ram/ram.ts";
export {
  type CacheTotals,
  reportTables,
  type StoreReport,
  storesFrom,
  type TableReport,
  type TierReport,
} from "./tiers.ts";
export {
  checkTableFile,
  encodeTableHeader,
  hashConstantsDigest,
  layoutTableFile,
  parseTableHeader,
  type TableFileHeader,
  type TableFileLayout,
  type TableFileSpec,
  type TableIdentity,
} from "./table-file.ts";
export {
  buildTokenMap,
  checkTokenMap,
  compressIds,
  compressInto,
  parseTokenMap,
  type TokenMap,
  tokenMapBytes,
  tokenMapSha256,
  type TokenSpellings,
} from "./token-map.ts";
export { type RowTrainingState, TrainableHashedMemory } from "./trainable-hashed-memory.ts";
export { countedMemory, readInPlace } from "./when-needed.ts";
