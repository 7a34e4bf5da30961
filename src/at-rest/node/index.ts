/** Tables in other places, tables while they are trained, and the row logs of checkpoints. */
export { checkRowLogs } from "./check-row-logs.ts";
export { checkpointTables } from "./checkpoint-tables.ts";
export { OutOfCoreTrainedTable } from "./out-of-core-table.ts";
export { RamTable } from "./ram-table.ts";
export { openPlace, type Place, writeElsewhere } from "./remote-tables.ts";
export type { SavedTable, TableShape, TrainedTable } from "./trained-table.ts";
export { trainedTables } from "./trained-tables.ts";
export { tablesFrom } from "./tables-from.ts";
