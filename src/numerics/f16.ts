/**
 * IEEE binary16 -> float32, exact. (Float16Array is not in Node 22.) Knows nothing of tensors.
 */

/** All 65,536 values, made at the first use: a look-up is faster than a conversion. */
let table: Float32Array | undefined;

/** float32 by the code of a binary16. */
export function f16Values(): Float32Array {
  table ??= makeTable();
  return table;
}

/** Decodes the first `into.length` elements of `codes`. */
export function decodeF16Array(codes: Uint16Array, into: Float32Array): void {
  const values = f16Values();
  for (let i = 0; i < into.length; i++) into[i] = values[codes[i]!]!;
}

function makeTable(): Float32Array {
  const values = new Float32Array(1 << 16);
  for (let code = 0; code < 1 << 15; code++) {
    const exponent = code >>> 10;
    const fraction = code & 0x3ff;
    let value: number;
    if (exponent === 0x1f) value = fraction === 0 ? Infinity : Number.NaN;
    else if (exponent === 0) value = fraction * 2 ** -24;
    else value = (1024 + fraction) * 2 ** (exponent - 25);
    values[code] = value;
    values[code | 0x8000] = -value;
  }
  return values;
}
