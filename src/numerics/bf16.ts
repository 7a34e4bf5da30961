/**
 * bfloat16: the upper half of a float32, rounded to nearest, ties to even. Knows nothing of rows.
 */

const scratch = new ArrayBuffer(4);
const scratchF32 = new Float32Array(scratch);
const scratchU32 = new Uint32Array(scratch);

/**
 * The 16 bits of `value`. The value is first rounded to float32. Overflow gives infinity. NaN stays
 * NaN, quiet and with its sign (the carry of rounding would turn some payloads into infinity or zero).
 */
export function encodeBf16(value: number): number {
  scratchF32[0] = value;
  return bf16OfBits(scratchU32[0]!);
}

export function decodeBf16(bits: number): number {
  scratchU32[0] = bits << 16;
  return scratchF32[0]!;
}

/** `value` rounded to the nearest bfloat16, as a number. */
export function roundToBf16(value: number): number {
  return decodeBf16(encodeBf16(value));
}

/** The bfloat16 bits of a float32 that is given by its bits. */
export function bf16OfBits(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return ((bits >>> 16) & 0x8000) | 0x7fc0;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** Encodes `values` into the first `values.length` elements of `into`. */
export function encodeBf16Array(values: Float32Array, into: Uint16Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) into[i] = bf16OfBits(bits[i]!);
}

/** Decodes the first `into.length` elements of `codes`. Exact. */
export function decodeBf16Array(codes: Uint16Array, into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < bits.length; i++) bits[i] = codes[i]! << 16;
}
