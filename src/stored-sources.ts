/** Weights as tensors to be written, in the layout of their family: the way back of `stored-weights.ts`. */
import type { TensorSource } from "./checkpoint/index.ts";
import { type ModelConfig, numbersByRows, storedTensors } from "./model/index.ts";
import { encodeBf16Array } from "./numerics/index.ts";
import { type NumberFormat, runsOf, transposed } from "./stored-weights.ts";
import { sizeOf, type Values } from "./tensor/index.ts";

/** The tensors of a model's weights, to be written as its family has them. */
export function storedSources(
  config: ModelConfig,
  {
    params,
    format,
    rowBlock,
  }: { params: Values; format: NumberFormat; rowBlock?: number | undefined },
): TensorSource[] {
  return storedTensors(config).map((stored) =>
    numberSource(stored.names[0]!, stored.shape, {
      format,
      numbers() {
        const parts = stored.parts.map(({ spec }) =>
          numbersByRows(spec, params[spec.name]!, rowBlock),
        );
        if (parts.length === 1 && !stored.isTransposed) return parts[0]!;
        const values = new Float32Array(sizeOf(stored.shape));
        for (const { part, from, at, count } of runsOf(stored))
          values.set(parts[part]!.subarray(from, from + count), at);
        return stored.isTransposed ? transposed(values, stored.shape.toReversed()) : values;
      },
    }),
  );
}

/** A tensor of numbers to be written. They are asked for when it is its turn. */
export function numberSource(
  name: string,
  shape: readonly number[],
  { numbers, format }: { numbers: () => Float32Array; format: NumberFormat },
): TensorSource {
  return {
    name,
    dtype: format === "f32" ? "F32" : "BF16",
    shape,
    chunks() {
      const values = numbers();
      if (format === "f32")
        return [new Uint8Array(values.buffer, values.byteOffset, values.byteLength)];
      const codes = new Uint16Array(values.length);
      encodeBf16Array(values, codes);
      return [new Uint8Array(codes.buffer)];
    },
  };
}
