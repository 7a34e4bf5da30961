/** Counts in files: counted in bounded memory, added and taken off, and made into tables. */
export {
  mergeNgramFiles,
  NgramFile,
  OpenNgrams,
  type SignedFile,
  writeNgramFile,
} from "./ngram-file.ts";
export { NgramRuns, type NgramRunsOptions } from "./ngram-runs.ts";
export { buildTableOnDisk, type DiskTable, type DiskTableOptions } from "./rows-on-disk.ts";
