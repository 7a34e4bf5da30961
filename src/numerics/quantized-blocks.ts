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
import { roundToBf16 } from "./bf16.ts";
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
  const block = new Float64Array(QUANTIZED_BLOCK);
  for (let i = 0; i < numBlocks; i++) {
    const at = i * QUANTIZED_BLOCK;
    for (let j = 0; j < QUANTIZED_BLOCK; j++) block[j] = values[at + j]!;
    const scale = bestScale(block, bits);
    scales[i] = scale;
    if (scale === 0)
      codes.fill(bits === 8 ? 128 : 0x88, (at * bits) / 8, ((at + QUANTIZED_BLOCK) * bits) / 8);
    else if (bits === 8)
      for (let j = 0; j < QUANTIZED_BLOCK; j++) codes[at + j] = codeOf(block[j]!, scale, 127) + 128;
    else
      for (let j = 0; j < QUANTIZED_BLOCK; j += 2) {
        const high = codeOf(block[j + 1]!, scale, 7) + 8;
        codes[(at + j) >>> 1] = (codeOf(block[j]!, scale, 7) + 8) | (high << 4);
      }
  }
  return { bits, codes, scales };
}

export function dequantizeBlocks({ bits, codes, scales, offsets }: QuantizedBlocks): Float32Array {
  const zero = 2 ** (bits - 1);
  // A loop: by a function for each number, a model takes ten seconds.
  const values = new Float32Array(scales.length * QUANTIZED_BLOCK);
  for (let block = 0, i = 0; block < scales.length; block++) {
    const scale = scales[block]!;
    const offset = offsets === undefined ? 0 : offsets[block]!;
    for (const end = i + QUANTIZED_BLOCK; i < end; i++) {
      const code = bits === 8 ? codes[i]! : (codes[i >>> 1]! >>> (4 * (i & 1))) & 15;
      values[i] = (code - zero) * scale + offset;
    }
  }
  return values;
}

function bestScale(block: Float64Array, bits: QuantizedBits): number {
  let largest = 0;
  let sum = 0;
  for (let i = 0; i < QUANTIZED_BLOCK; i++) {
    const value = block[i]!;
    sum += value - value;
    if (Math.abs(value) > Math.abs(largest)) largest = value;
  }
  if (sum !== 0)
    throw new NonFiniteError(
      `a weight is ${block.find((value) => !Number.isFinite(value))}: only finite numbers can be quantised; the model is damaged`,
    );
  const divisors = DIVISORS[bits];
  let best = 0;
  let least = Infinity;
  for (let i = 0; i < divisors.length; i++) {
    const scale = roundToBf16(Math.fround(largest / divisors[i]!));
    // A block this small is zero in every product of single precision.
    if (Math.abs(scale) < 2 ** -120) return 0;
    if (divisors.length === 1) return scale;
    const error = squaredError(block, scale, least);
    if (error < least) [best, least] = [scale, error];
  }
  return best;
}

/** Added and taken away again, it rounds a small number to a whole one. */
const ROUNDING = 1.5 * 2 ** 52;

/** Of codes of 4 bits, or some number from `most` on. Which of two equally near codes is taken does not change it. */
function squaredError(block: Float64Array, scale: number, most: number): number {
  const inverse = 1 / scale;
  // Four sums, as each addition waits for the one before it.
  let [sum0, sum1, sum2, sum3] = [0, 0, 0, 0];
  for (let i = 0; i < QUANTIZED_BLOCK && sum0 + sum1 + (sum2 + sum3) < most; i += 4) {
    const off0 = offOf(block[i]!, inverse, scale);
    const off1 = offOf(block[i + 1]!, inverse, scale);
    const off2 = offOf(block[i + 2]!, inverse, scale);
    const off3 = offOf(block[i + 3]!, inverse, scale);
    sum0 += off0 * off0;
    sum1 += off1 * off1;
    sum2 += off2 * off2;
    sum3 += off3 * off3;
  }
  return sum0 + sum1 + (sum2 + sum3);
}

function offOf(value: number, inverse: number, scale: number): number {
  const code = value * inverse + ROUNDING - ROUNDING;
  return value - (code > 7 ? 7 : code < -8 ? -8 : code) * scale;
}

/** -`most` - 1 .. `most`, to nearest; the scale is not 0. */
function codeOf(value: number, scale: number, most: number): number {
  const exact = value / scale;
  let code = exact + ROUNDING - ROUNDING;
  // Halves go up, which that rounding does with every second one.
  if (exact - code === 0.5) code++;
  return code > most ? most : code < -most - 1 ? -most - 1 : code;
}
