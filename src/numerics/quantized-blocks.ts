/**
 * Blocks of 32 numbers as codes of 4 or 8 bits and one scale: value = (code - 2^(bits-1)) * scale. This format is for
 * weights, which are multiplied without being unpacked. Rows of tables, which are decoded one by one, use
 * `scaled-int.ts`. Knows nothing of tensors or files.
 *
 * Codes are unsigned. At 4 bits, two share a byte, the first in its low half. Scales are representable in bfloat16, so
 * that a 4-bit value takes 4.5 bits in files. They may be negative: then the largest number of a block has the code
 * -2^(bits-1), which has no positive counterpart. A block of zeros has scale 0.
 *
 * At 4 bits the step size is a compromise: with a larger one every number is rounded more coarsely, with a smaller one
 * the largest numbers are clipped. For each block, the divisor of `DIVISORS` with the least squared error is used. On
 * the matrices of a trained model the error is 16 % smaller than with amax/7, and 5 % smaller than with the largest
 * number at -8; 24 more divisors gain another 1 %. Because -7 and -8 are among the divisors, packing unpacked values
 * again gives the same codes.
 */
import { NonFiniteError } from "../errors.ts";
import { decodeBf16, encodeBf16 } from "./bf16.ts";
import { QUANTIZED_BLOCK, type QuantizedBits, type QuantizedBlocks } from "./block-types.ts";

/** The scale of a block is its largest number divided by one of these. */
const DIVISORS: Readonly<Record<QuantizedBits, readonly number[]>> = {
  4: [-7, -7.3, -7.6, -8, -8.4, -8.8, -9.2, -9.6],
  8: [-127],
};

/** Throws `NonFiniteError` for numbers that are not finite: no code represents them. */
export function quantizeBlocks(values: Float32Array, bits: QuantizedBits): QuantizedBlocks {
  const numBlocks = values.length / QUANTIZED_BLOCK;
  const codes = new Uint8Array((values.length * bits) / 8);
  const scales = new Float32Array(numBlocks);
  for (let block = 0; block < numBlocks; block++) {
    const at = block * QUANTIZED_BLOCK;
    const scale = bestScale(values, at, bits);
    scales[block] = scale;
    for (let i = at; i < at + QUANTIZED_BLOCK; i++) {
      const code = codeOf(values[i]!, scale, bits) + 2 ** (bits - 1);
      if (bits === 8) codes[i] = code;
      else codes[i >>> 1]! |= code << (4 * (i & 1));
    }
  }
  return { bits, codes, scales };
}

export function dequantizeBlocks({ bits, codes, scales, offsets }: QuantizedBlocks): Float32Array {
  const zero = 2 ** (bits - 1);
  return Float32Array.from({ length: scales.length * QUANTIZED_BLOCK }, (_, i) => {
    const code = bits === 8 ? codes[i]! : (codes[i >>> 1]! >>> (4 * (i & 1))) & 15;
    const block = Math.floor(i / QUANTIZED_BLOCK);
    return (code - zero) * scales[block]! + (offsets?.[block] ?? 0);
  });
}

function bestScale(values: Float32Array, at: number, bits: QuantizedBits): number {
  let largest = 0;
  for (let i = at; i < at + QUANTIZED_BLOCK; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value))
      throw new NonFiniteError(
        `a weight is ${value}: only finite numbers can be quantised; the model is damaged`,
      );
    if (Math.abs(value) > Math.abs(largest)) largest = value;
  }
  let best = 0;
  let least = Infinity;
  for (const divisor of DIVISORS[bits]) {
    const scale = decodeBf16(encodeBf16(Math.fround(largest / divisor)));
    // A block this small is zero in every product of single precision.
    if (Math.abs(scale) < 2 ** -120) return 0;
    const error = squaredError(values, at, { scale, bits });
    if (error < least) [best, least] = [scale, error];
  }
  return best;
}

function squaredError(
  values: Float32Array,
  at: number,
  { scale, bits }: { scale: number; bits: QuantizedBits },
): number {
  let sum = 0;
  for (let i = at; i < at + QUANTIZED_BLOCK; i++) {
    const value = values[i]!;
    const off = value - codeOf(value, scale, bits) * scale;
    sum += off * off;
  }
  return sum;
}

/** -2^(bits-1) .. 2^(bits-1) - 1, to nearest. */
function codeOf(value: number, scale: number, bits: QuantizedBits): number {
  if (scale === 0) return 0;
  const most = bits === 8 ? 127 : 7;
  const code = Math.round(value / scale);
  return code > most ? most : code < -most - 1 ? -most - 1 : code;
}
