/** What this computer has, measured. */
export { processorCacheEvictor } from "./processor-cache.ts";
export { measureBandwidth } from "./bandwidth.ts";
export { type MachineMemoryOptions, readMachineMemory } from "./machine-memory.ts";
export { emptyPageCache } from "./page-cache.ts";
export {
  createScratchTable,
  type ScratchTable,
  type ScratchTableOptions,
} from "./scratch-table.ts";
