/** Table files on disk. */
export { openTableFile } from "./table-file.ts";
export { type RowChunk, writeTableFile, type WriteTableOptions } from "./table-file-writer.ts";
