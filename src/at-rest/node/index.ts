/** Tables in other places, tables while they are trained, and the row logs of checkpoints. */
export { checkRowLogs } from "./check-row-logs.ts";
export { checkpointTables } from "./checkpoint-tables.ts";
export { OutOfCoreTrainedTable } from "./out-of-core-table.ts";
export { openPlace, type Place, writeElsewhere } from "./remote-tables.ts";
export { trainedTables } from "./trained-tables.ts";
export { tablesFrom } from "./tables-from.ts";
