/**
 * Matrices in blocks of rows (`Backend.rowBlock`) as ONNX nodes. A product x W^T is a convolution whose filters are the
 * rows of W and whose pixels are the rows of x. ONNX Runtime has kernels for filters in blocks, which its optimizer writes for
 * images (domain `com.microsoft.nchwc`). They read weights in order, once, and repack nothing: one row takes a third to two
 * thirds of the time of a product by rows, sixteen rows two thirds. Sums are those of a product of several rows, to the
 * bit. From some 300 rows on that product is faster (docs/log.md, "the order in which f32 weights lie").
 */
import { sizeOf } from "../../ops.ts";
import type { Site } from "./attention.ts";
import { type Emitter, NCHWC } from "./emitter.ts";
import { encodeModel, type OnnxNode, type OnnxTensor, onnxType } from "./protobuf.ts";

/**
 * From so many rows on, the blocks are first written by rows. A prompt of 256 takes 0.98 of the time with these kernels, the products of one of 512
 * would take 1.07 (docs/results/2026-11-28-speed.md).
 */
const MOST_ROWS = 320;

const FILTER = { kernel_shape: [1n, 1n], group: 1n };

/** How ops are written that read blocks. A runtime that has no such kernels does not load them. */
export interface BlockKernels {
  readonly isProduct: (s: Site<"matmul">) => boolean;
  readonly product: (e: Emitter, s: Site<"matmul">) => void;
  readonly rows: (e: Emitter, s: Site<"reshape">) => void;
  readonly gather: (e: Emitter, s: Site<"gatherRows">) => void;
}

/** Blocks of `size` rows. */
export interface RowBlocks {
  readonly size: number;
  readonly kernels: BlockKernels;
}

export function rowBlocksOf(size: number): RowBlocks {
  return {
    size,
    kernels: {
      isProduct: isProductOfBlocks,
      product: blockedProduct,
      rows: rowsOutOfBlocks,
      gather: blockedRows,
    },
  };
}

/** Whether the product is one of `blockedProduct`. */
function isProductOfBlocks({ node, blocks }: Site<"matmul">): boolean {
  const [x] = node.inputs;
  const { transA, transB } = node.attrs;
  return blocks !== undefined && !transA && transB && x!.shape[0]! < MOST_ROWS;
}

function blockedProduct(e: Emitter, s: Site<"matmul">): void {
  const [rows, width] = s.node.inputs[0]!.shape as [number, number];
  const { shape } = s.node.outputs[0]!;
  const size = shape[1]!;
  const [x] = s.in as [string];
  // The channels of a single pixel are in the same order in blocks and without.
  const pixels =
    rows === 1
      ? e.reshape(x, [1, width, 1, 1])
      : e.shared("ReorderInput", [e.reshape(x, [1, rows, 1, width])], { channels_last: 1n }, NCHWC);
  const sums = e.shared("Conv", [pixels, s.blocks!.name], FILTER, NCHWC);
  if (rows === 1) {
    e.declare(sums, [1, size, 1, 1]);
    return void e.reshape(sums, shape, s.out[0]);
  }
  const order = { channels: BigInt(size), channels_last: 1n };
  const byRows = e.shared("ReorderOutput", [sums], order, NCHWC);
  e.declare(byRows, [1, rows, 1, size]);
  e.reshape(byRows, shape, s.out[0]);
}

/** The rows [M,K] of a matrix that lies in blocks. */
function rowsOutOfBlocks(e: Emitter, s: Site<"reshape">): void {
  const [rows, width] = s.node.attrs.shape as [number, number];
  const image = e.reshape(s.blocks!.name, [1, rows, width, 1]);
  const order = { channels: BigInt(rows), channels_last: 0n };
  const found = e.shared("ReorderOutput", [image], order, NCHWC);
  e.declare(found, [1, rows, width, 1]);
  e.reshape(found, [rows, width], s.out[0]);
}

/** Some rows of a matrix that lies in blocks, out of the blocks in which they lie. */
function blockedRows(e: Emitter, s: Site<"gatherRows">): void {
  const [, ids] = s.in as [string, string];
  const [rows, width] = s.node.inputs[0]!.shape as [number, number];
  const { shape } = s.node.inputs[1]!;
  const { name, size } = s.blocks!;
  const count = sizeOf(shape);
  const each = e.constant("i32", [1], [size]);
  const flat = e.reshape(ids, [count]);
  const blocks = e.reshape(name, [rows / size, width, size]);
  const chosen = e.via("Gather", [blocks, e.via("Div", [flat, each])], { axis: 0n });
  e.declare(chosen, [count, width, size]);
  // By rows, `size` of them for each id; of these one.
  const image = e.reshape(chosen, [count, size, width, 1]);
  const order = { channels: BigInt(size), channels_last: 0n };
  const byRows = e.shared("ReorderOutput", [image], order, NCHWC);
  e.declare(byRows, [count, size, width, 1]);
  const starts = Array.from({ length: count }, (_, i) => i * size);
  const place = e.via("Mod", [flat, each]);
  const places = count === 1 ? place : e.via("Add", [place, e.constant("i32", [count], starts)]);
  const found = e.via("Gather", [e.reshape(byRows, [count * size, width]), places], { axis: 0n });
  e.declare(found, [count, width]);
  e.reshape(found, [...shape, width], s.out[0]);
}

/** A model of one product and nothing else: y = W x, all [1,side,1,1] but W [side,side,1,1]. */
export function blockedModel(side: number): Uint8Array {
  const tensor = (name: string, channels = 1): OnnxTensor => {
    return { name, type: onnxType.f32, dims: [channels, side, 1, 1] };
  };
  const conv: OnnxNode = {
    opType: "Conv",
    domain: NCHWC,
    inputs: ["x", "w"],
    outputs: ["y"],
    attributes: FILTER,
  };
  const [inputs, outputs] = [[tensor("x"), tensor("w", side)], [tensor("y")]];
  return encodeModel({ nodes: [conv], initializers: [], inputs, outputs }, { "": 24, [NCHWC]: 1 });
}
