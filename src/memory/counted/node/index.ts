/** Counts in files: counted in bounded memory, added and taken off, and made into tables. */
export { type CountedNgrams, NgramRuns } from "./ngram-runs.ts";
export { buildTableOnDisk } from "./rows-on-disk.ts";
