import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { Random } from "../numerics/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { type Backend, referenceBackend } from "../tensor/index.ts";
import { adamW, type FlatArrays, globalNorm, muon } from "./index.ts";

function arraysOf(length: number): FlatArrays {
  const random = Random.fromSeed(5, "optimizer test");
  const draw = (deviation: number): Float32Array => {
    const data = new Float32Array(length);
    random.fillNormal(data, deviation);
    return data;
  };
  const m = new Float32Array(length);
  const v = new Float32Array(length);
  return { params: draw(1), gradients: draw(0.1), m, v };
}

const backends: Readonly<Record<string, () => Backend>> = {
  reference: referenceBackend,
  onnx: () => ortBackend({ threads: 2 }),
};

for (const [name, makeBackend] of Object.entries(backends))
  describe(`optimizers on ${name}`, () => {
    test("AdamW is its published recurrence over three steps, inside its range only", async () => {
      // Longer than a chunk, so that chunks of both lengths take part.
      const length = name === "reference" ? 96 : (1 << 16) + 112;
      const arrays = arraysOf(length);
      const range = [16, length - 16] as const;
      const p = Float64Array.from(arrays.params);
      const m = new Float64Array(length);
      const v = new Float64Array(length);
      const optimizer = await adamW(makeBackend(), arrays, { range, decay: 0.1 });
      for (let step = 0; step < 3; step++) {
        const lr = 0.01 * (step + 1);
        const clip = 0.5;
        await optimizer.update({ step, lr, clip });
        for (let i = range[0]; i < range[1]; i++) {
          const g = arrays.gradients[i]! * clip;
          m[i] = 0.9 * m[i]! + 0.1 * g;
          v[i] = 0.95 * v[i]! + 0.05 * g * g;
          const mHat = m[i]! / (1 - 0.9 ** (step + 1));
          const vHat = v[i]! / (1 - 0.95 ** (step + 1));
          p[i] = p[i]! - lr * 0.1 * p[i]! - (lr * mHat) / (Math.sqrt(vHat) + 1e-8);
        }
      }
      toBeClose(arrays.params, p, { rtol: 1e-4, atol: 1e-5 });
      await optimizer.dispose();
    });

    for (const [rows, cols] of [
      [24, 10],
      [10, 24],
      [16, 16],
    ] as const)
      test(`Muon steps a [${rows},${cols}] matrix along a nearly orthogonal one`, async () => {
        const arrays = arraysOf(rows * cols + 32);
        const before = arrays.params.slice();
        const matrices = [{ offset: 16, shape: [rows, cols] }];
        const optimizer = await muon(makeBackend(), arrays, { matrices, decay: 0 });
        await optimizer.update({ step: 0, lr: 1, clip: 1 });
        const scale = 0.2 * Math.sqrt(Math.max(rows, cols));
        const x = Array.from({ length: rows * cols }, (_, i) => {
          return (before[16 + i]! - arrays.params[16 + i]!) / scale;
        });
        // Singular values near 1 make the Gram matrix of the shorter side near the identity: the
        // quintic leaves them between 0.6 and 1.3.
        const short = Math.min(rows, cols);
        const at = (i: number, k: number): number =>
          cols <= rows ? x[k * cols + i]! : x[i * cols + k]!;
        for (let i = 0; i < short; i++) {
          let diagonal = 0;
          for (let k = 0; k < Math.max(rows, cols); k++) diagonal += at(i, k) ** 2;
          assert.ok(diagonal > 0.3 && diagonal < 1.7, `row ${i} has squared length ${diagonal}`);
          for (let j = 0; j < i; j++) {
            let dot = 0;
            for (let k = 0; k < Math.max(rows, cols); k++) dot += at(i, k) * at(j, k);
            assert.ok(Math.abs(dot) < 0.55, `rows ${i} and ${j} have product ${dot}`);
          }
        }
        // It descends: the step and the gradient point the same way.
        const along = x.reduce((sum, d, i) => sum + d * arrays.gradients[16 + i]!, 0);
        assert.ok(along > 0);
        assert.deepEqual(arrays.params.subarray(0, 16), before.subarray(0, 16));
        await optimizer.dispose();
      });
  });

test("the global norm is the root of the sum of squares", () => {
  const data = new Float32Array(64);
  data[0] = 3;
  data[63] = 4;
  assert.equal(globalNorm(data), 5);
});
