/** Stores that need Node. */
export { checkRowLog } from "./check-records.ts";
export { type FileStoreOptions, openFileStore } from "./file.ts";
export {
  MAP_CHUNK_ROWS,
  type OutOfCoreOptions,
  type OutOfCoreStats,
  OutOfCoreTable,
} from "./out-of-core-table.ts";
export { rowsInOrder } from "./rows-in-order.ts";
export { openPositionalFile, type PositionalFile } from "./positional-file.ts";
export { openTableFile } from "./table-file.ts";
export { type RowChunk, writeTableFile, type WriteTableOptions } from "./table-file-writer.ts";
export { openValkeyStore, ValkeyStore } from "./valkey.ts";
export type { ValkeyOptions } from "./valkey-cluster.ts";
export { writeValkeyTable, type WriteValkeyOptions } from "./valkey-writer.ts";
