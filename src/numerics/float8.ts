/**
 * Eight-bit floats of the released tables: E4M3FN codes, one E8M0 power-of-two scale for every 32 of
 * them, and the rule that chooses the scale. Knows nothing of rows, files or tensors.
 *
 *   E4M3FN  s eeee mmm   e = 0: m * 2^-9, else (1 + m/8) * 2^(e-7); 0x7F and 0xFF are NaN; no
 *                        infinity; largest 448 (0x7E)
 *   E8M0    eeeeeeee     2^(e-127); 0xFF is NaN; 0x00 is 2^-127, a float32 subnormal
 */
import { encodeBf16, decodeBf16 } from "./bf16.ts";

export const E4M3_MAX = 448;
export const E4M3_NAN = 0x7f;
/** Consecutive values that share one E8M0 scale. */
export const SCALE_BLOCK = 32;

/** Value of each E4M3FN code. */
export const E4M3_VALUES: Float32Array = Float32Array.from({ length: 256 }, (_, code) => {
  const sign = code & 0x80 ? -1 : 1;
  const exponent = (code >> 3) & 15;
  const mantissa = code & 7;
  if (exponent === 15 && mantissa === 7) return NaN;
  return sign * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7));
});

/** Value of each E8M0 byte. */
export const E8M0_VALUES: Float32Array = Float32Array.from({ length: 256 }, (_, byte) =>
  byte === 255 ? NaN : 2 ** (byte - 127),
);

/** Nearest E4M3FN code, ties to even, after clamping to +-448 (so infinities become +-448). NaN: 0x7F. */
export function encodeE4M3(value: number): number {
  if (Number.isNaN(value)) return E4M3_NAN;
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(value), E4M3_MAX);
  // Below 2^-6 the codes are the multiples of 2^-9; rounding up to 8 of them is the code 0x08 = 2^-6.
  if (magnitude < 2 ** -6) return sign | roundTiesToEven(magnitude * 2 ** 9);
  const exponent = exponentOf(magnitude);
  // 8..16 steps within the binade; 16 carries into the next exponent by addition. 448 is exact.
  const steps = roundTiesToEven(magnitude * 2 ** (3 - exponent));
  return sign | (((exponent + 7) << 3) + steps - 8);
}

/**
 * The E8M0 byte of a block with largest magnitude `amax`: the smallest power of two >= amax / 448. Computed in float32
 * as in the reference: from the exponent bits of amax * fp32(1/448), with amax at least 1e-4. An infinite amax takes
 * the largest scale, 2^127, so its elements decode to infinity again.
 */
export function e8m0ForAmax(amax: number): number {
  scratchF32[0] = Math.fround(Math.max(Math.fround(amax), AMAX_FLOOR) * INVERSE_MAX);
  const bits = scratchU32[0]!;
  const exponent = bits >>> 23;
  if (exponent === 255) return 254;
  return exponent + ((bits & 0x7fffff) === 0 ? 0 : 1);
}

/** Where a sequence of blocks is in larger arrays. */
export interface Fp8Place {
  /** Number of values; the last block may be shorter than 32. */
  readonly count: number;
  readonly valuesAt: number;
  readonly codesAt: number;
  readonly scalesAt: number;
}

/**
 * Quantises float32 values in blocks of 32 to one code a value and one scale a block. A NaN takes the
 * NaN code and does not influence the scale.
 */
export function encodeFp8Blocks(
  values: Float32Array,
  codes: Uint8Array,
  { scales, count, valuesAt, codesAt, scalesAt }: Fp8Place & { readonly scales: Uint8Array },
): void {
  for (let from = 0, block = scalesAt; from < count; from += SCALE_BLOCK, block++) {
    const size = Math.min(SCALE_BLOCK, count - from);
    const firstValue = valuesAt + from;
    let amax = 0;
    for (let j = 0; j < size; j++) {
      const magnitude = Math.abs(values[firstValue + j]!);
      if (magnitude > amax) amax = magnitude;
    }
    const scale = e8m0ForAmax(amax);
    const inverse = 2 ** (127 - scale);
    scales[block] = scale;
    // Two passes, because reading bits directly after the store that wrote them would wait for that store each time.
    // Multiplying by a power of two is exact in float32, except below 2^-126, where every code is zero anyway.
    for (let j = 0; j < size; j++) blockF32[j] = values[firstValue + j]! * inverse;
    const firstCode = codesAt + from;
    for (let j = 0; j < size; j++) codes[firstCode + j] = e4m3OfBits(blockU32[j]!);
  }
}

/** `encodeE4M3` of a float32 given by its bits, without a branch for each binade. */
function e4m3OfBits(bits: number): number {
  const sign = (bits >>> 24) & 0x80;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return E4M3_NAN;
  if (magnitude >= BITS_448) return sign | 0x7e;
  // Drops 20 of 23 mantissa bits, ties to even. The carry goes into the exponent, whose bias changes from 127 to 7.
  if (magnitude >= BITS_2_TO_MINUS_6)
    return sign | (((magnitude + 0x7ffff + ((magnitude >>> 20) & 1)) >>> 20) - (120 << 3));
  scratchU32[0] = magnitude;
  return sign | roundTiesToEven(scratchF32[0]! * 2 ** 9);
}

/**
 * value[j] = bf16(code[j] * scale[j div 32]), with the product in float32. Products of 4-bit significands
 * are exact in bf16 unless they are below its subnormal step 2^-133, which needs a scale byte < 3.
 */
export function decodeFp8Blocks(
  codes: Uint8Array,
  values: Float32Array,
  { scales, count, valuesAt, codesAt, scalesAt }: Fp8Place & { readonly scales: Uint8Array },
): void {
  for (let from = 0, block = scalesAt; from < count; from += SCALE_BLOCK, block++) {
    const size = Math.min(SCALE_BLOCK, count - from);
    const byte = scales[block]!;
    const scale = E8M0_VALUES[byte]!;
    const firstCode = codesAt + from;
    const firstValue = valuesAt + from;
    for (let j = 0; j < size; j++)
      values[firstValue + j] = E4M3_VALUES[codes[firstCode + j]!]! * scale;
    if (byte < 3)
      for (let j = firstValue; j < firstValue + size; j++)
        values[j] = decodeBf16(encodeBf16(values[j]!));
  }
}

const BITS_448 = 0x43e00000;
const BITS_2_TO_MINUS_6 = 0x3c800000;
const INVERSE_MAX = Math.fround(1 / E4M3_MAX);
const AMAX_FLOOR = Math.fround(1e-4);
const scratch = new ArrayBuffer(8);
const scratchF32 = new Float32Array(scratch);
const scratchU32 = new Uint32Array(scratch);
const scratchF64 = new Float64Array(scratch);
const blockF32 = new Float32Array(SCALE_BLOCK);
const blockU32 = new Uint32Array(blockF32.buffer);

/** floor(log2(x)) of a normal positive double, from its exponent bits (Math.log2 may round up). */
function exponentOf(x: number): number {
  scratchF64[0] = x;
  return (scratchU32[1]! >>> 20) - 1023;
}

function roundTiesToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}
