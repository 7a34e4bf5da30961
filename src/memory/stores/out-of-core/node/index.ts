/** Tables that are trained on disk, in a row log. */
export { checkRowLog } from "./check-records.ts";
export { type LoggedRowsOptions, openLoggedRows } from "./logged-rows.ts";
export {
  MAP_CHUNK_ROWS,
  type OutOfCoreOptions,
  type OutOfCoreStats,
  OutOfCoreTable,
} from "./out-of-core-table.ts";
export { openPositionalFile, type PositionalFile } from "./positional-file.ts";
export { rowsInOrder } from "./rows-in-order.ts";
