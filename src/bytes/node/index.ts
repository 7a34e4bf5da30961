/** Files of this machine. */
export { type FileOptions, openFileRanges, rangesOf } from "./file-ranges.ts";
