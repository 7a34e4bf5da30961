/**
 * What every backend refuses, and how its owners end. Knows no particular backend.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { BackendError, ShapeError } from "../../src/errors.ts";
import { type Backend, GraphBuilder, valueOf, type Values, zeros } from "../../src/tensor/index.ts";
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

    test("disposing while a run is in flight ends well", async () => {
      for (const owner of ["binding", "executable"] as const) {
        const n = 300;
        const g = new GraphBuilder();
        const x = g.input("x", "f32", [n, n]);
        const executable = await use().compile(g.build({ y: g.matmul(g.matmul(x, x), x) }));
        const ones = zeros("f32", [n, n]);
        ones.data.fill(1);
        const y = zeros("f32", [n, n]);
        const binding = executable.bind({ x: ones }, { y });
        const [run] = await Promise.allSettled([
          binding.run(),
          owner === "binding" ? binding.dispose() : executable.dispose(),
        ]);
        if (run.status === "fulfilled") assert.ok(y.data.every((v) => v === n * n));
        else assert.ok(run.reason instanceof BackendError);
        await executable.dispose();
      }
    });

    test("a run refused for its ids leaves the binding usable", async () => {
      const g = new GraphBuilder();
      const table = g.input("table", "f32", [3, 2]);
      const ids = g.input("ids", "i32", [2]);
      const executable = await use().compile(g.build({ rows: g.gatherRows(table, ids) }));
      const inputs = {
        table: valueOf(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]),
        ids: valueOf(Int32Array.of(1, 3), [2]),
      };
      const rows = zeros("f32", [2, 2]);
      const binding = executable.bind(inputs, { rows });
      await assert.rejects(() => binding.run(), BackendError);
      inputs.ids.data.set([2, 0]);
      await binding.run();
      assert.deepEqual([...rows.data], [5, 6, 1, 2]);
      binding.dispose();
      await executable.dispose();
    });

    test("hundreds of inputs and outputs keep to their names", async () => {
      const count = 400;
      const g = new GraphBuilder();
      const names = Array.from({ length: count }, (_, i) => `w${i}`);
      const all = names.map((name) => g.input(name, "f32", [3]));
      // Declared forwards, named backwards.
      const outputs = Object.fromEntries(
        names.map((name, i) => [name, g.add(all[count - 1 - i]!, i)]),
      );
      const executable = await use().compile(g.build(outputs));
      const values = Object.fromEntries(
        names.map((name, i) => [name, valueOf(new Float32Array(3).fill(1000 * i), [3])]),
      );
      const results = Object.fromEntries(names.map((name) => [name, zeros("f32", [3])]));
      const binding = executable.bind(values, results);
      await binding.run();
      for (const [i, name] of names.entries())
        assert.deepEqual([...results[name]!.data], Array(3).fill(1000 * (count - 1 - i) + i), name);
      binding.dispose();
      await executable.dispose();
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
