/**
 * Small signed integers with one bfloat16 scale for a group of them: value = code * scale. Knows nothing of
 * rows, files or tensors.
 *
 *   int8   two's complement, -127..127; 0x80 is NaN
 *   int4   two's complement, -7..7; 0x8 is NaN; value 2k in the low half of byte k, 2k+1 in the high
 *
 * scale = bf16(float32(amax / L)), both rounded to nearest, ties to even. L is 127 or 7, and amax is the largest
 * finite magnitude of the group (infinities count as the largest float32). The scale is at least 2^-126. If amax is at
 * most 2^-127, the scale and all codes are 0. So zeros are zero bytes, and a table that was never written takes no
 * disk space. code = float32(value / scale) rounded to the nearest integer, ties to even, within -L..L.
 *
 * Eight significant bits are just enough for 127. Rounding changes the scale by at most a factor 1 +- 2^-8, and 127 *
 * 2^-8 < 1/2. So the largest magnitude keeps code L, and no value is off by more than half a step. Encoding decoded
 * values gives the same bytes, because amax is then exactly L * scale. A product code * scale has 15 bits, so float32
 * holds it exactly.
 */
import { decodeBf16, encodeBf16 } from "./bf16.ts";

export const INT8_MAX = 127;
export const INT4_MAX = 7;

/** Where a group is in larger arrays: `count` values that share the scale at byte `scaleAt`. */
export interface ScaledIntPlace {
  readonly count: number;
  readonly valuesAt: number;
  readonly codesAt: number;
  readonly scaleAt: number;
}

/** The bfloat16 bits of the scale of `count` values. */
function scaleBits(
  values: Float32Array,
  { valuesAt, count }: ScaledIntPlace,
  largestCode: number,
): number {
  let amax = 0;
  for (let i = valuesAt; i < valuesAt + count; i++) {
    const magnitude = Math.abs(values[i]!);
    if (magnitude > amax) amax = magnitude;
  }
  if (amax <= SMALLEST_NORMAL / 2) return 0;
  const scale = Math.fround(Math.min(amax, F32_MAX) / largestCode);
  // For smaller scales, bfloat16 has fewer bits than the proof above needs.
  return encodeBf16(Math.max(scale, SMALLEST_NORMAL));
}

export function encodeInt8Run(values: Float32Array, into: Uint8Array, place: ScaledIntPlace): void {
  const { count, valuesAt, codesAt, scaleAt } = place;
  const bits = scaleBits(values, place, INT8_MAX);
  into[scaleAt] = bits;
  into[scaleAt + 1] = bits >>> 8;
  const scale = decodeBf16(bits);
  for (let i = 0; i < count; i++)
    into[codesAt + i] = codeOf(values[valuesAt + i]!, scale, INT8_MAX);
}

export function decodeInt8Run(
  bytes: Uint8Array,
  values: Float32Array,
  { count, valuesAt, codesAt, scaleAt }: ScaledIntPlace,
): void {
  const scale = decodeBf16(bytes[scaleAt]! | (bytes[scaleAt + 1]! << 8));
  for (let i = 0; i < count; i++) values[valuesAt + i] = INT8_VALUES[bytes[codesAt + i]!]! * scale;
}

/** `valuesAt` is arbitrary. `codesAt` is the byte of the first pair, so a group begins with a whole byte. */
export function encodeInt4Run(values: Float32Array, into: Uint8Array, place: ScaledIntPlace): void {
  const { count, valuesAt, codesAt, scaleAt } = place;
  const bits = scaleBits(values, place, INT4_MAX);
  into[scaleAt] = bits;
  into[scaleAt + 1] = bits >>> 8;
  const scale = decodeBf16(bits);
  for (let i = 0; i < count; i += 2) {
    const low = codeOf(values[valuesAt + i]!, scale, INT4_MAX) & 15;
    const high = i + 1 < count ? codeOf(values[valuesAt + i + 1]!, scale, INT4_MAX) & 15 : 0;
    into[codesAt + (i >>> 1)] = low | (high << 4);
  }
}

export function decodeInt4Run(
  bytes: Uint8Array,
  values: Float32Array,
  { count, valuesAt, codesAt, scaleAt }: ScaledIntPlace,
): void {
  const scale = decodeBf16(bytes[scaleAt]! | (bytes[scaleAt + 1]! << 8));
  const pairs = count >>> 1;
  for (let k = 0, to = valuesAt; k < pairs; k++, to += 2) {
    const pair = bytes[codesAt + k]!;
    values[to] = INT4_VALUES[pair & 15]! * scale;
    values[to + 1] = INT4_VALUES[pair >>> 4]! * scale;
  }
  if (count % 2 === 1)
    values[valuesAt + count - 1] = INT4_VALUES[bytes[codesAt + pairs]! & 15]! * scale;
}

/** -largest..largest, or -largest-1 for NaN. Only the low bits are used. */
function codeOf(value: number, scale: number, largest: number): number {
  if (Number.isNaN(value)) return -largest - 1;
  if (scale === 0) return 0;
  const quotient = Math.fround(value / scale);
  if (quotient >= largest) return largest;
  if (quotient <= -largest) return -largest;
  // Adding 1.5 * 2^52 leaves no bits for a fraction, so the sum is rounded, ties to even.
  return quotient + ROUNDER - ROUNDER;
}

const ROUNDER = 1.5 * 2 ** 52;
const F32_MAX = (2 - 2 ** -23) * 2 ** 127;
const SMALLEST_NORMAL = 2 ** -126;

const INT8_VALUES = Float64Array.from({ length: 256 }, (_, code) =>
  code === 128 ? NaN : (code << 24) >> 24,
);
const INT4_VALUES = Float64Array.from({ length: 16 }, (_, code) =>
  code === 8 ? NaN : (code << 28) >> 28,
);
