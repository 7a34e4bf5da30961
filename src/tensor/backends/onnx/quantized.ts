/**
 * Packed weights as ONNX nodes. Knows which of ONNX Runtime's kernels for them are fast. They repack a weight when the
 * model is loaded, but only if it is a constant. A weight that is an input is computed correctly, but unpacked at every
 * run, which is a hundred times slower.
 */
import { QUANTIZED_BLOCK } from "../../../numerics/index.ts";
import type { Node, Tensor } from "../../graph.ts";
import { sizeOf } from "../../ops.ts";
import type { JoinedMatrices, Site } from "./attention.ts";
import type { Emitter } from "./emitter.ts";

/**
 * ONNX Runtime's name for rounding activations to 8 bits, in blocks as long as those of the weights, so that products
 * are products of integers. Without it, 8-bit weights have no fast kernel, and 4-bit weights take twice the time in
 * batches. It costs less accuracy than packing the weights does (docs/decisions/0015-quantised-weights.md).
 */
const INT8_ACTIVATIONS = 4n;

/** The 8-bit code of zero. */
const ZERO_CODE = 128;

export function matmulQuantized(e: Emitter, s: Site<"matmulQuantized">): void {
  const { joined } = s;
  const [x] = s.in as [string];
  const { bits } = s.node.attrs;
  const blocks = s.node.inputs[2]!.shape[1]!;
  const width = blocks * QUANTIZED_BLOCK;
  const shapes = joined?.shapes ?? [s.node.outputs[0]!.shape];
  const rows = shapes.reduce((sum, shape) => sum + shape[1]!, 0);
  const weights = joined === undefined ? s.in.slice(1) : joinedConstants(e, joined, rows);
  const [codes, scales, offsets] = weights as [string, string, string?];
  const y = e.onRows(x, [width, rows], (from) => {
    const found = s.isUnpacked
      ? e.viaMs("FusedMatMul", [from, unpacked(e, [codes, scales], rows, blocks)], { transB: 1n })
      : e.viaMs("MatMulNBits", [from, inBlocks(e, codes, [rows, blocks], bits), scales], {
          K: BigInt(width),
          N: BigInt(rows),
          ...packing(bits),
          accuracy_level: INT8_ACTIVATIONS,
        });
    if (offsets === undefined) return found;
    const means = meansOfBlocks(e, from, width);
    const more = e.viaMs("FusedMatMul", [means, offsets], { transB: 1n, alpha: QUANTIZED_BLOCK });
    return e.via("Add", [found, more]);
  });
  const widths = shapes.map((shape) => shape[1]!);
  const parts = widths.length === 1 ? [y] : widths.map(() => e.temp());
  if (widths.length > 1) e.add("Split", [y, e.ints(widths)], parts, { axis: -1n });
  const leading = e.shapeOf(y)!.slice(0, -1);
  for (const [i, part] of parts.entries()) {
    e.declare(part, [...leading, widths[i]!]);
    e.reshape(part, shapes[i]!, s.out[i]);
  }
}

function packing(bits: number): { bits: bigint; block_size: bigint } {
  return { bits: BigInt(bits), block_size: BigInt(QUANTIZED_BLOCK) };
}

/** Codes by blocks. */
function inBlocks(e: Emitter, codes: string, blocks: readonly number[], bits: number): string {
  return e.reshapeConstant(codes, [...blocks, (QUANTIZED_BLOCK * bits) / 8]);
}

/**
 * From so many rows on, 8-bit weights are unpacked before a product of floats. Prompts of 256 then take 0.77 of the time and those of 512 0.74,
 * and nothing is rounded; those of 128 take 0.93, but 1.0 to 1.2 in WebAssembly. With 4 bits every prompt takes longer
 * (docs/results/2026-11-28-speed.md).
 */
const LEAST_UNPACKED_ROWS = 192;

/** Larger matrices stay packed, so that a prompt needs no more than 64 MiB for one of them. */
const MOST_UNPACKED = 2 ** 24;

/** Whether a product is faster if it unpacks its matrix first. */
export function paysUnpacked({ attrs, inputs }: Node<"matmulQuantized">): boolean {
  const [x, codes] = inputs as [Tensor, Tensor];
  const isLarge = sizeOf(codes.shape) > MOST_UNPACKED;
  return attrs.bits === 8 && x.shape[0]! >= LEAST_UNPACKED_ROWS && !isLarge;
}

/** The rows [M,K] of a matrix in 8 bits. With a block as a row, ONNX Runtime unpacks four times as fast as with blocks in a row. */
function unpacked(
  e: Emitter,
  [codes, scales]: readonly [string, string],
  rows: number,
  blocks: number,
): string {
  const all = [rows * blocks];
  const values = e.via(
    "DequantizeLinear",
    [
      inBlocks(e, codes, all, 8),
      e.reshapeConstant(scales, all),
      e.shared("Expand", [e.constant("u8", [1], [ZERO_CODE]), e.ints(all)]),
    ],
    { axis: 0n },
  );
  e.declare(values, [...all, QUANTIZED_BLOCK]);
  return e.reshape(values, [rows, blocks * QUANTIZED_BLOCK]);
}

/** The constants of the matrix that some are together. */
function joinedConstants(e: Emitter, { shapes, first }: JoinedMatrices, rows: number): string[] {
  return first.map((data) => {
    const width = data.length / shapes[0]![1]!;
    const isCodes = data instanceof Uint8Array;
    const all = new (isCodes ? Uint8Array : Float32Array)(
      data.buffer as ArrayBuffer,
      data.byteOffset,
      rows * width,
    );
    return e.initializer(e.temp(), isCodes ? "u8" : "f32", [rows, width], all);
  });
}

/** [...,K] -> the means [...,K/32] of its blocks, which all products of one x share. Pooling takes [N,C,L]. */
function meansOfBlocks(e: Emitter, x: string, width: number): string {
  const leading = e.shapeOf(x)!.slice(0, -1);
  const size = [BigInt(QUANTIZED_BLOCK)];
  const flat = leading.length === 2 ? leading : [1, sizeOf(leading)];
  const pooled = e.shared("AveragePool", [e.reshape(x, [...flat, width])], {
    kernel_shape: size,
    strides: size,
  });
  const blocks = width / QUANTIZED_BLOCK;
  e.declare(pooled, [...flat, blocks]);
  return e.reshape(pooled, [...leading, blocks]);
}

export function gatherRowsQuantized(e: Emitter, s: Site<"gatherRowsQuantized">): void {
  const [ids, codes, scales, offsets] = s.in as [string, string, string, string | undefined];
  const attributes = {
    gather_axis: 0n,
    quantize_axis: 1n,
    ...packing(s.node.attrs.bits),
  };
  if (offsets === undefined)
    return e.addMs("GatherBlockQuantized", [codes, ids, scales], s.out, attributes);
  const found = e.viaMs("GatherBlockQuantized", [codes, ids, scales], attributes);
  const { shape } = s.node.outputs[0]!;
  const [leading, blocks] = [shape.slice(0, -1), shape.at(-1)! / QUANTIZED_BLOCK];
  const each = e.reshape(e.via("Gather", [offsets, ids], { axis: 0n }), [...leading, blocks, 1]);
  const moved = e.via("Add", [e.reshape(found, [...leading, blocks, QUANTIZED_BLOCK]), each]);
  e.reshape(moved, shape, s.out[0]);
}
