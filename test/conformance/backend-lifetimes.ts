/**
 * What every backend refuses, and how its owners end. Knows no particular backend.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { BackendError, ShapeError } from "../../src/errors.ts";
import { type Backend, type Values, zeros } from "../../src/tensor/index.ts";
import type { UseBackend } from "./backend.ts";
import { affine, bound } from "./bound-graphs.ts";

export function lifetimeBehaviour(use: UseBackend, makeBackend: () => Promise<Backend>): void {
  describe("refusals and lifetimes", () => {
    test("a missing, misnamed, misshapen or mistyped value is a ShapeError", async () => {
      const executable = await use().compile(affine([4]));
      const x = zeros("f32", [4]);
      const y = zeros("f32", [4]);
      const bad: [Values, Values][] = [
        [{}, { y }],
        [{ x }, {}],
        [{ z: x }, { y }],
        [{ x, z: x }, { y }],
        [{ x }, { y, z: y }],
        [{ x: zeros("f32", [5]) }, { y }],
        [{ x: zeros("f32", [2, 2]) }, { y }],
        [{ x: zeros("i32", [4]) }, { y }],
        [{ x }, { y: zeros("f32", [3]) }],
        [{ x }, { y: zeros("bool", [4]) }],
        [{ x: { ...x, data: new Float32Array(3) } }, { y }],
        [{ x }, { y: { ...y, data: new Float32Array(5) } }],
      ];
      for (const [inputs, outputs] of bad)
        assert.throws(() => executable.bind(inputs, outputs), ShapeError);
      await executable.dispose();
    });

    test("running a disposed binding rejects", async () => {
      const executable = await use().compile(affine([4]));
      const binding = executable.bind({ x: zeros("f32", [4]) }, { y: zeros("f32", [4]) });
      binding.dispose();
      binding.dispose();
      await assert.rejects(() => binding.run(), BackendError);
      await executable.dispose();
      await executable.dispose();
    });

    test("binding or running after the executable is disposed fails", async () => {
      const executable = await use().compile(affine([4]));
      const [x, y] = [zeros("f32", [4]), zeros("f32", [4])];
      const binding = executable.bind({ x }, { y });
      await executable.dispose();
      await assert.rejects(() => binding.run(), BackendError);
      assert.throws(() => executable.bind({ x }, { y }), BackendError);
      binding.dispose();
    });

    test("a disposed backend compiles nothing and its bindings do not run", async () => {
      const backend = await makeBackend();
      const executable = await backend.compile(affine([4]));
      const binding = executable.bind({ x: zeros("f32", [4]) }, { y: zeros("f32", [4]) });
      await backend.dispose();
      await backend.dispose();
      await assert.rejects(() => backend.compile(affine([4])), BackendError);
      await assert.rejects(() => binding.run(), BackendError);
    });

    test("compiling, running and disposing many times leaves the rest working", async () => {
      await using kept = await bound(use(), affine([6]), [6]);
      for (let i = 0; i < 30; i++) {
        await using b = await bound(use(), affine([i + 1]), [i + 1]);
        b.x.data.fill(i);
        await b.binding.run();
        assert.ok(b.y.data.every((v) => v === 2 * i + 1));
      }
      kept.x.data.fill(5);
      await kept.binding.run();
      assert.ok(kept.y.data.every((v) => v === 11));
    });
  });
}
