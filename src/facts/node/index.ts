/** What was taught, in files. */
export { FactLogFile, LOG_NAME } from "./fact-log.ts";
export { fingerprintOf, MEMORY_NAME, memoryPlace } from "./memory-place.ts";
export { type MemoryPlace, openFactLog } from "./open-fact-log.ts";
