/**
 * Packed weights as ONNX nodes. Knows which of ONNX Runtime's kernels for them are fast. They repack a weight when the
 * model is loaded, but only if it is a constant. A weight that is an input is computed correctly, but unpacked at every
 * run, which is a hundred times slower.
 */
import { QUANTIZED_BLOCK } from "../../../numerics/index.ts";
import type { Site } from "./attention.ts";
import type { Emitter } from "./emitter.ts";

/**
 * ONNX Runtime's name for rounding activations to 8 bits, in blocks as long as those of the weights, so that products
 * are products of integers. Without it, 8-bit weights have no fast kernel, and 4-bit weights take twice the time in
 * batches. It costs less accuracy than packing the weights does (docs/decisions/0015-quantised-weights.md).
 */
const INT8_ACTIVATIONS = 4n;

export function matmulQuantized(e: Emitter, s: Site<"matmulQuantized">): void {
  const [x, codes, scales] = s.in as [string, string, string];
  const { bits } = s.node.attrs;
  const [rows, blocks] = s.node.inputs[2]!.shape as [number, number];
  const packed = e.reshapeConstant(codes, [rows, blocks, (QUANTIZED_BLOCK * bits) / 8]);
  e.addMs("MatMulNBits", [x, packed, scales], s.out, {
    K: BigInt(blocks * QUANTIZED_BLOCK),
    N: BigInt(rows),
    bits: BigInt(bits),
    block_size: BigInt(QUANTIZED_BLOCK),
    accuracy_level: INT8_ACTIVATIONS,
  });
}

export function gatherRowsQuantized(e: Emitter, s: Site<"gatherRowsQuantized">): void {
  const [ids, codes, scales] = s.in as [string, string, string];
  e.addMs("GatherBlockQuantized", [codes, ids, scales], s.out, {
    gather_axis: 0n,
    quantize_axis: 1n,
    block_size: BigInt(QUANTIZED_BLOCK),
    bits: BigInt(s.node.attrs.bits),
  });
}
