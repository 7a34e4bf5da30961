/** Bytes by name and range, from a web server or a file (`node/`). */
export type { ByteRanges } from "./byte-ranges.ts";
export { type HttpOptions, openHttpRanges } from "./http-ranges.ts";
