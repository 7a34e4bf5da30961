/**
 * Finds out in blocks of how many rows this processor's kernels want a matrix (`blocked.ts`): 8 numbers are in a register
 * with AVX, 16 with AVX-512, and elsewhere there are no such kernels. ONNX Runtime does not say, so a small matrix is multiplied
 * in each of these orders. Blocks of another size give another result, never none.
 */
import { BackendError } from "../../../errors.ts";
import { blockedModel, type RowBlocks, rowBlocksOf } from "./blocked.ts";
import type { OrtRuntime } from "./ort-driver.ts";
import { onnxType } from "./protobuf.ts";

const SIZES = [16, 8];
const SIDE = 16;

export async function findRowBlocks(runtime: OrtRuntime): Promise<RowBlocks | undefined> {
  for (const size of SIZES) if (await multipliesIn(runtime, size)) return rowBlocksOf(size);
  return undefined;
}

async function multipliesIn(runtime: OrtRuntime, size: number): Promise<boolean> {
  const matrix = new Float32Array(SIDE * SIDE);
  // Row i has i + 1 in column i, so that x times it is (i + 1) x_i.
  for (let i = 0; i < SIDE; i++) matrix[(i - (i % size)) * SIDE + i * size + (i % size)] = i + 1;
  const x = Float32Array.from({ length: SIDE }, (_, i) => i + 1);
  const sums = new Float32Array(SIDE);
  const { f32 } = onnxType;
  const inputs = [
    { name: "x", tensor: runtime.tensor(x, f32, [1, SIDE, 1, 1]) },
    { name: "w", tensor: runtime.tensor(matrix, f32, [SIDE, SIDE, 1, 1]) },
  ];
  const outputs = [{ name: "y", tensor: runtime.tensor(sums, f32, [1, SIDE, 1, 1]) }];
  try {
    const session = await runtime.session(blockedModel(SIDE), []);
    try {
      const run = session.prepare(inputs, outputs);
      await run.run();
      run.release?.();
    } finally {
      session.release();
    }
  } catch (error) {
    if (error instanceof BackendError) return false;
    throw error;
  } finally {
    for (const { tensor } of [...inputs, ...outputs]) tensor.release();
  }
  return sums.every((sum, i) => sum === (i + 1) ** 2);
}
