/** Files of this machine. */
export { type FileOptions, openFileRanges, rangesOf } from "./file-ranges.ts";
export { openPlain, readBytes } from "./open-plain.ts";
export { digestOfFiles } from "./files-digest.ts";
export { syncTree, writeDurably } from "./durable.ts";
export { syncDirectory, writeAt, writeSparse } from "./file-writes.ts";
export { clearLock, ProcessLock, refuseIfHeld, type Refusal } from "./process-lock.ts";
export { version } from "./package-version.ts";
export { homeDirectory, userDirectory } from "./user-directory.ts";
