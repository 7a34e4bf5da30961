/**
 * Blocks of 32 numbers as codes of 4 or 8 bits and one scale: value = (code - 2^(bits-1)) * scale. This format is for
 * weights, which are multiplied without being unpacked. Rows of tables, which are decoded one by one, use
 * `scaled-int.ts`. Knows nothing of tensors or files.
 *
 * Codes are unsigned. At 4 bits, two share a byte, the first in its low half. Scales are representable in bfloat16, so
 * that a 4-bit value takes 4.5 bits in files. They may be negative: then the largest number of a block has the code
 * -2^(bits-1), which has no positive counterpart. A block of zeros has scale 0.
 */
import { NonFiniteError } from "../errors.ts";
import { roundToBf16 } from "./bf16.ts";
import { QUANTIZED_BLOCK, type QuantizedBits, type QuantizedBlocks } from "./block-types.ts";
import { roundToFourBits } from "./four-bit-rounding.ts";

/** Throws `NonFiniteError` for numbers that are not finite: no code represents them. */
export function quantizeBlocks(values: Float32Array, bits: QuantizedBits): QuantizedBlocks {
  const codes = new Uint8Array((values.length * bits) / 8);
  const scales = new Float32Array(values.length / QUANTIZED_BLOCK);
  for (let i = 0; i < scales.length; i++) {
    const at = i * QUANTIZED_BLOCK;
    const largest = largestOf(values, at);
    const place = { at, largest, codes };
    scales[i] = bits === 8 ? roundToBytes(values, place) : roundToFourBits(values, place);
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

/** Of the 32 numbers from `at` on. */
function largestOf(values: Float32Array, at: number): number {
  let largest = 0;
  let sum = 0;
  for (let i = at; i < at + QUANTIZED_BLOCK; i++) {
    const value = values[i]!;
    sum += value - value;
    if (Math.abs(value) > Math.abs(largest)) largest = value;
  }
  if (sum !== 0)
    throw new NonFiniteError(
      `a weight is ${values.subarray(at, at + QUANTIZED_BLOCK).find((value) => !Number.isFinite(value))}: only finite numbers can be quantised; the model is damaged`,
    );
  return largest;
}

/** As `roundToFourBits`, to codes of 8 bits. */
function roundToBytes(
  values: Float32Array,
  { at, largest, codes }: { at: number; largest: number; codes: Uint8Array },
): number {
  const scale = roundToBf16(Math.fround(largest / -127));
  if (Math.abs(scale) < 2 ** -120) {
    codes.fill(128, at, at + QUANTIZED_BLOCK);
    return 0;
  }
  for (let i = at; i < at + QUANTIZED_BLOCK; i++) codes[i] = codeOf(values[i]!, scale) + 128;
  return scale;
}

/** Added and taken away again, it rounds a small number to a whole one. */
const ROUNDING = 1.5 * 2 ** 52;

/** -128 .. 127, to nearest; the scale is not 0. */
function codeOf(value: number, scale: number): number {
  const exact = value / scale;
  let code = exact + ROUNDING - ROUNDING;
  // Halves go up, which that rounding does with every second one.
  if (exact - code === 0.5) code++;
  return code > 127 ? 127 : code < -128 ? -128 : code;
}
