/** A model's tables at rest: where they are, how they are opened, how they are copied to other places. */
export {
  countedSources,
  countedSourcesOf,
  type CountsAtRest,
  countsIdentity,
} from "./counted-tensors.ts";
export { countedNames, countedTensors, locateCounts } from "./counts-when-needed.ts";
export { RamTable } from "./ram-table.ts";
export { rowChunks } from "./row-chunks.ts";
export { isRowLogState, type RowLogState } from "./row-logs.ts";
export { countsName, countsSources, warmCaches } from "./table-counts.ts";
export { releasedTensorNames, tableName, tableNames, tableParts } from "./table-tensors.ts";
export {
  compareRows,
  isReleasedLayout,
  locateTables,
  openTable,
  tableIdentity,
  type TableAtRest,
  type TableFiles,
  type WrapStore,
} from "./tables.ts";
export type { SavedTable, TableShape, TrainedTable } from "./trained-table.ts";
export { type OpenElsewhere, webTables } from "./web-tables.ts";
