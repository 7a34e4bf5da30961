/**
 * Packed weights, unpacked one by one as ops.ts defines them: the oracle for kernels that never unpack a whole matrix.
 * Does not round activations; backends are allowed to.
 */
import { QUANTIZED_BLOCK, type QuantizedBits } from "../../../numerics/index.ts";
import type { OpAttrs } from "../../ops.ts";
import type { Cells, Kernel } from "./cells.ts";
import { rowIndex } from "./layout.ts";

interface Packed {
  readonly weight: readonly [codes: Cells, scales: Cells, offsets?: Cells];
  readonly bits: QuantizedBits;
}

function weightAt(
  { weight: [codes, scales, offsets], bits }: Packed,
  row: number,
  column: number,
): number {
  const width = scales.shape[1]! * QUANTIZED_BLOCK;
  const place = row * width + column;
  const byte = codes.data[Math.floor((place * bits) / 8)]!;
  const code = bits === 8 ? byte : place % 2 === 0 ? byte & 15 : byte >>> 4;
  const block = Math.floor(place / QUANTIZED_BLOCK);
  return (code - 2 ** (bits - 1)) * scales.data[block]! + (offsets?.data[block] ?? 0);
}

export const matmulQuantized: Kernel<OpAttrs["matmulQuantized"]> = (inputs, [y], { bits }) => {
  const [x, ...weight] = inputs as [Cells, Cells, Cells, Cells?];
  const [n, k] = x.shape as [number, number];
  const rows = weight[0].shape[0]!;
  for (let m = 0; m < rows; m++) {
    const row = Float64Array.from({ length: k }, (_, i) => weightAt({ weight, bits }, m, i));
    for (let i = 0; i < n; i++) {
      let sum = 0;
      for (let l = 0; l < k; l++) sum += x.data[i * k + l]! * row[l]!;
      y!.data[i * rows + m] = sum;
    }
  }
};

export const gatherRowsQuantized: Kernel<OpAttrs["gatherRowsQuantized"]> = (
  inputs,
  [y],
  { bits },
) => {
  const [ids, ...weight] = inputs as [Cells, Cells, Cells, Cells?];
  const width = y!.shape.at(-1)!;
  ids.data.forEach((id, i) => {
    const row = rowIndex("gatherRowsQuantized", id, weight[0].shape[0]!);
    for (let d = 0; d < width; d++) y!.data[i * width + d] = weightAt({ weight, bits }, row, d);
  });
};
