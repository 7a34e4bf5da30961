/** A matrix <-> its packed form. Loaded with the first model that has one. */
import { dequantizeBlocks, type QuantizedBits, quantizeBlocks } from "../numerics/index.ts";
import { type Value, valueOf } from "../tensor/index.ts";
import type { QuantizedMatrix } from "./weights.ts";

/** Packs `value`, a matrix for which `isQuantizable` holds. */
export function quantizeMatrix({ data, shape }: Value, bits: QuantizedBits): QuantizedMatrix {
  return { shape: shape as [number, number], ...quantizeBlocks(data as Float32Array, bits) };
}

/** The numbers that a packed matrix represents. */
export function dequantizeMatrix(matrix: QuantizedMatrix): Value {
  return valueOf(dequantizeBlocks(matrix), matrix.shape);
}
