/** Retrieval: ids -> row ids -> rows -> vectors. No tensors. Stores that need a platform have their own index. */
export { ablated } from "./ablated.ts";
export { addressBatch } from "./address-batch.ts";
export { type Addressing, buildAddressing, compressedPad } from "./addressing.ts";
export {
  checkStoredConstants,
  type EngramConfig,
  engramConfigToJson,
  findEngramConfig,
  memoryWidth,
  numColumns,
  parseAddressConfig,
  parseEngramConfig,
} from "./config.ts";
export { convertedRows } from "./convert.ts";
export { type CorpusFacts } from "./counted/ngram-bytes.ts";
export { readNgramBytes } from "./counted/ngrams-in-memory.ts";
export { contextOf, type OrderedNgrams } from "./counted/ordered-ngrams.ts";
export { RowDeduper } from "./dedupe.ts";
export { checkRowValues } from "./finite-rows.ts";
export { DEAD } from "./hash.ts";
export {
  buildLayout,
  type EngramLayout,
  hashConstants,
  type LayerLayout,
  layerOf,
} from "./layout.ts";
export { TrainableComposedMemory } from "./composed.ts";
export { CrossFittedRows, type TrainedRows } from "./cross-fitted-rows.ts";
export { Folds } from "./folds.ts";
export { HashedMemory } from "./hashed-memory.ts";
export { type CountedDirectory } from "./counted/bucket-placement.ts";
export { type CountedText, MAX_ORDER, sortByContext } from "./counted/context-order.ts";
export { blocksPerPosition, bucketOf, numContextsIn } from "./counted/bucket-placement.ts";
export { indexCorpus, readCorpusIndex, type ReadCorpusIndex } from "./counted/corpus-ngrams.ts";
export { DISCOUNT_BESIDE_A_MODEL } from "./counted/count-rows.ts";
export { BlendedCounts } from "./counted/blended-counts.ts";
export { DocumentsOfNgrams, DocumentSums, ENTRY } from "./counted/document-sums.ts";
export { CountedMemory } from "./counted/counted-memory.ts";
export { GrowingCounts, GrownCounts } from "./counted/growing-counts.ts";
export { estimateCounts } from "./counted/estimate-bytes.ts";
export { evidenceWidth } from "./counted/evidence.ts";
export { noHead, RowScanner } from "./counted/row-bytes.ts";
export {
  BLOCK_BYTES,
  buildCountedTable,
  checkDirectory,
  countedBytes,
  type CountedTable,
  leastCountedBytes,
  withVocabulary,
} from "./counted/counted-table.ts";
export { CrossFittedCounts, tableInRam } from "./counted/cross-fitted.ts";
export type {
  Addresses,
  Distributions,
  LookUp,
  Memory,
  MemoryInput,
  MemoryReader,
  Origin,
  Origins,
  TokenSpan,
  TrainableMemory,
  TrainableReader,
} from "./memory.ts";
export { NgramIndex } from "./ngrams.ts";
export { meanRows, noiseRows, shuffledRows } from "./other-rows.ts";
export {
  type Ablation,
  composed,
  countsOf,
  rowsOf,
  withCounts,
  withoutParts,
  withRows,
} from "./parts.ts";
export { Retrieval, type RetrievalTable } from "./retrieval.ts";
export { rowsForIds } from "./rows-for-ids.ts";
export { ROW_FORMAT_NAMES, type RowFormat, rowFormat, type RowFormatName } from "./row-format.ts";
export { countOfCode, countUses, hottestRows, USE_CODE_BYTES, type UseCodes } from "./row-use.ts";
export { buildConformanceKit, checkAgainstKit } from "./conformance-kit.ts";
export { type RowStore, type WritableRowStore } from "./store.ts";
export { type CachePolicy } from "./stores/cache/admission.ts";
export { rowsInRanges } from "./stores/ranges/rows-in-ranges.ts";
export { zeroed } from "./stores/wrappers/zeroed.ts";
export {
  type CacheOptions,
  type CacheStats,
  type RowCounts,
} from "./stores/cache/cache-options.ts";
export { cached, CachedStore } from "./stores/cache/cached.ts";
export { checkBins, counted, CountedStore, type RowBins } from "./stores/wrappers/counted.ts";
export { openHttpStore } from "./stores/ranges/http.ts";
export { type OpenTableOptions } from "./stores/ranges/table-file.ts";
export { measured, type StoreStats } from "./stores/wrappers/measured.ts";
export { SideBySideStore } from "./stores/wrappers/side-by-side.ts";

export { planTableMemory, type TableMemoryPlan } from "./stores/out-of-core/out-of-core-memory.ts";
export { RamStore, type RamStoreOptions } from "./stores/ram/ram.ts";
export { type SmallRamStore } from "./stores/ram/small-ram.ts";
export { storesFrom, type TableReport, type TierReport } from "./tiers.ts";
export { hashConstantsDigest, type TableIdentity } from "./table-file.ts";
export {
  buildTokenMap,
  compressIds,
  compressInto,
  type TokenMap,
  tokenMapBytes,
  tokenMapSha256,
} from "./token-map.ts";
export { TrainableHashedMemory } from "./trainable-hashed-memory.ts";
export { countedMemory, openRamStore, readInPlace } from "./when-needed.ts";
