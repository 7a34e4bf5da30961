/** Bytes by name and range, from a web server or a file (`node/`); and pieces of bytes joined and compared. */
export { type ByteRanges, EndedError } from "./byte-ranges.ts";
export { type ByteSource, type OpenOptions, readAtMost } from "./byte-source.ts";
export { openHttpRanges } from "./http-ranges.ts";
export { partsOf, readWholeBody } from "./http-body.ts";
export { type HttpOptions, HttpRequests, PassingError, unexpectedStatus } from "./http-requests.ts";
export { httpSource } from "./http-source.ts";
export { joinedBytes } from "./joined-bytes.ts";
export { sameBytes } from "./same-bytes.ts";
