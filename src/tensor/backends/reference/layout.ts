/**
 * Kernels that move elements or sum them: reshape, transpose, slice, pad, concat, split, reductions, and rows of a
 * table. Row ids out of range are refused here; other backends have undefined behaviour for them.
 */
import { BackendError } from "../../../errors.ts";
import type { OpAttrs } from "../../ops.ts";
import { aroundAxis, broadcastMap, type Cells, indexMap, type Kernel, stridesOf } from "./cells.ts";

export const reshape: Kernel<OpAttrs["reshape"]> = ([x], [y]) => y!.data.set(x!.data);

export const transpose: Kernel<OpAttrs["transpose"]> = ([x], [y], { perm }) => {
  const strides = stridesOf(x!.shape);
  const from = indexMap(
    y!.shape,
    perm.map((p) => strides[p]!),
  );
  for (let i = 0; i < from.length; i++) y!.data[i] = x!.data[from[i]!]!;
};

/** Copies between the whole axis of `part` and start .. start + length on the axis of `whole`, in either direction. */
function overlay(
  whole: Cells,
  part: Cells,
  { axis, start, into }: { axis: number; start: number; into: "whole" | "part" },
): void {
  const { outer, length, inner } = aroundAxis(part.shape, axis);
  const row = whole.shape[axis]! * inner;
  for (let o = 0; o < outer; o++) {
    const w = o * row + start * inner;
    const p = o * length * inner;
    for (let i = 0; i < length * inner; i++)
      if (into === "whole") whole.data[w + i] = part.data[p + i]!;
      else part.data[p + i] = whole.data[w + i]!;
  }
}

export const slice: Kernel<OpAttrs["slice"]> = ([x], [y], { axis, start }) =>
  overlay(x!, y!, { axis, start, into: "part" });

export const pad: Kernel<OpAttrs["pad"]> = ([x], [y], { axis, before }) =>
  overlay(y!, x!, { axis, start: before, into: "whole" });

export const concat: Kernel<OpAttrs["concat"]> = (inputs, [y], { axis }) => {
  let start = 0;
  for (const x of inputs) {
    overlay(y!, x, { axis, start, into: "whole" });
    start += x.shape[axis]!;
  }
};

export const split: Kernel<OpAttrs["split"]> = ([x], outputs, { axis }) => {
  let start = 0;
  for (const y of outputs) {
    overlay(x!, y, { axis, start, into: "part" });
    start += y.shape[axis]!;
  }
};

export const broadcastTo: Kernel<OpAttrs["broadcastTo"]> = ([x], [y]) => {
  const from = broadcastMap(x!.shape, y!.shape);
  for (let i = 0; i < from.length; i++) y!.data[i] = x!.data[from[i]!]!;
};

export const reduceSum: Kernel<OpAttrs["reduceSum"]> = ([x], [y]) => {
  const strides = stridesOf(y!.shape);
  const to = indexMap(
    x!.shape,
    strides.map((s, i) => (y!.shape[i] === 1 ? 0 : s)),
  );
  for (let i = 0; i < to.length; i++) y!.data[to[i]!]! += x!.data[i]!;
};

export const reduceMean: Kernel<OpAttrs["reduceMean"]> = (inputs, outputs, attrs) => {
  reduceSum(inputs, outputs, attrs);
  const y = outputs[0]!.data;
  const count = inputs[0]!.data.length / y.length;
  for (let i = 0; i < y.length; i++) y[i]! /= count;
};

/** Checks a row id against the table's size. `op` is named in the message. */
export function rowIndex(op: string, id: number, numRows: number): number {
  if (id < 0 || id >= numRows)
    throw new BackendError(`${op}: expected ids in 0..${numRows - 1}, got ${id}; check the ids`);
  return id;
}

export const gatherRows: Kernel<Record<never, never>> = ([table, ids], [y]) => {
  const [numRows, width] = table!.shape as [number, number];
  ids!.data.forEach((id, i) => {
    const from = rowIndex("gatherRows", id, numRows) * width;
    for (let d = 0; d < width; d++) y!.data[i * width + d] = table!.data[from + d]!;
  });
};

export const scatterAddRows: Kernel<OpAttrs["scatterAddRows"]> = ([ids, rows], [y], attrs) => {
  const width = rows!.shape.at(-1)!;
  ids!.data.forEach((id, i) => {
    const to = rowIndex("scatterAddRows", id, attrs.numRows) * width;
    for (let d = 0; d < width; d++) y!.data[to + d]! += rows!.data[i * width + d]!;
  });
};
