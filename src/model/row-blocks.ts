/**
 * Matrices in blocks of rows: the layout in which an engine reads unpacked weights fastest (`Backend.rowBlock`). A
 * matrix [M,K] lies as [M/b,K,b]: in each block of b rows, the b numbers of a column side by side. The same numbers in as
 * many bytes. Weights rest by rows; only those that a loaded model runs with lie like this. Knows no engine.
 */
import { type Value, type Values, valueOf } from "../tensor/index.ts";
import type { ModelConfig } from "./config.ts";
import type { ParamSpec } from "./kind.ts";
import { paramSpecs } from "./params.ts";

/** Whether a weight lies in blocks where matrices lie in blocks of `block` rows. Gains never do. */
export function isInBlocks({ kind, shape }: ParamSpec, block: number | undefined): boolean {
  if (block === undefined || kind === "gain" || shape.length !== 2) return false;
  return shape.every((side) => side % block === 0);
}

/** The same weights in blocks, in the memory of `params`, which must not be used any more. */
export function blockRows(config: ModelConfig, params: Values, block: number): Values {
  const blocked: Record<string, Value> = { ...params };
  for (const spec of paramSpecs(config)) {
    const value = params[spec.name];
    if (value === undefined || !isInBlocks(spec, block)) continue;
    const [rows, width] = spec.shape as [number, number];
    const data = value.data as Float32Array;
    const turned = new Float32Array(block * width);
    for (let at = 0; at < data.length; at += turned.length) {
      for (let row = 0; row < block; row++)
        for (let column = 0; column < width; column++)
          turned[column * block + row] = data[at + row * width + column]!;
      data.set(turned, at);
    }
    blocked[spec.name] = valueOf(data, [rows / block, width, block]);
  }
  return blocked;
}

/** The numbers of a weight by rows: its own, or a copy where it lies in blocks. */
export function numbersByRows(
  spec: ParamSpec,
  { data }: Value,
  block: number | undefined,
): Float32Array {
  if (!isInBlocks(spec, block)) return data as Float32Array;
  const rows = new Float32Array(data.length);
  for (let i = 0; i < rows.length; i++) rows[i] = data[placeOf(i, spec.shape[1]!, block!)]!;
  return rows;
}

/** Where the number that has index `i` by rows lies in blocks. */
export function placeOf(i: number, width: number, block: number): number {
  const [row, column] = [Math.floor(i / width), i % width];
  return (row - (row % block)) * width + column * block + (row % block);
}
