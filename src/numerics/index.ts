/** Numbers that must be exact: generators, primes, eight- and sixteen-bit floats. */
export {
  bf16OfBits,
  decodeBf16,
  decodeBf16Array,
  encodeBf16,
  encodeBf16Array,
  roundToBf16,
} from "./bf16.ts";
export { crc32c, linearCrc32c } from "./crc32c.ts";
export { decodeF16Array } from "./f16.ts";
export { firstNonFinite } from "./finite.ts";
export { decodeFp8Blocks, E4M3_VALUES, encodeFp8Blocks, SCALE_BLOCK } from "./float8.ts";
export {
  type GgmlBlockType,
  type GgmlPacking,
  ggmlTypes,
  isBlockType,
  packingOf,
  QUANTIZED_BLOCK,
  type QuantizedBits,
  type QuantizedBlocks,
} from "./block-types.ts";
export { Pcg64 } from "./pcg64.ts";
export { isPrime, UnusedPrimes } from "./primes.ts";
export { dequantizeBlocks, quantizeBlocks } from "./quantized-blocks.ts";
export { Random } from "./random.ts";
export {
  decodeInt4Run,
  decodeInt8Run,
  encodeInt4Run,
  encodeInt8Run,
  type ScaledIntPlace,
} from "./scaled-int.ts";
export { studentT } from "./student-t.ts";
export { decodeGgmlBlocks, packGgmlBlocks } from "./when-needed.ts";
