/**
 * The arrays of the reference evaluator: a shape and flat row-major data. f32 tensors are held in double precision, so
 * that rounding errors here are far smaller than those of any real backend. Knows no operation and no graph.
 */
import { type DType, type Shape, sizeOf, type TensorType } from "../../ops.ts";

/** f32 -> Float64Array, i32 -> Int32Array, bool -> Uint8Array of 0 and 1, u8 -> Uint8Array. */
export type CellData = Float64Array | Int32Array | Uint8Array;

export interface Cells extends TensorType {
  readonly data: CellData;
}

/** One operation. Reads `inputs` and fills `outputs`, which are given in the right shape and filled with zeros. */
export type Kernel<Attrs> = (
  inputs: readonly Cells[],
  outputs: readonly Cells[],
  attrs: Attrs,
) => void;

export function zeroCells({ dtype, shape }: TensorType): Cells {
  return { dtype, shape, data: cellDataFor(dtype, sizeOf(shape)) };
}

export function cellDataFor(dtype: DType, length: number): CellData {
  if (dtype === "f32") return new Float64Array(length);
  return dtype === "i32" ? new Int32Array(length) : new Uint8Array(length);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = Array.from(shape, () => 1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * shape[i + 1]!;
  return strides;
}

/**
 * For every element of `shape` in row-major order, the sum of coordinate x stride: the index of the corresponding
 * element in another array. A stride of 0 repeats elements, as in broadcasting.
 */
export function indexMap(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  let map = Int32Array.of(start);
  shape.forEach((length, axis) => {
    const finer = new Int32Array(map.length * length);
    for (let i = 0; i < map.length; i++)
      for (let j = 0; j < length; j++) finer[i * length + j] = map[i]! + j * strides[axis]!;
    map = finer;
  });
  return map;
}

/** For every element of `to`, the index of the element of `from` that NumPy's broadcasting rules map to it. */
export function broadcastMap(from: Shape, to: Shape): Int32Array {
  const own = stridesOf(from);
  const lead = to.length - from.length;
  const strides = to.map((_, i) => (i < lead || from[i - lead] === 1 ? 0 : own[i - lead]!));
  return indexMap(to, strides);
}

/** A shape seen as [outer, length, inner] around one axis. */
export function aroundAxis(
  shape: Shape,
  axis: number,
): { outer: number; length: number; inner: number } {
  return {
    outer: sizeOf(shape.slice(0, axis)),
    length: shape[axis]!,
    inner: sizeOf(shape.slice(axis + 1)),
  };
}
