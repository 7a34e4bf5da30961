/** Counts in files: counted in bounded memory, added and taken off, and made into tables. */
export { NgramFile } from "./ngram-file.ts";
export { NgramRuns } from "./ngram-runs.ts";
export { buildTableOnDisk } from "./rows-on-disk.ts";
