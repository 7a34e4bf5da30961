/** What this computer has, measured. */
export { type MachineMemoryOptions, readMachineMemory } from "./machine-memory.ts";
