/** What a model is worth, in numbers. */
export { type BitsPerByte, bitsPerByte, bitsPerByteOfStream } from "./bits-per-byte.ts";
export { certify, type Certified, type CertifiedCandidate } from "./certify.ts";
