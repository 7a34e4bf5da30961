/**
 * What every backend must do with the caller's memory: read it at the start of a run, write only
 * where it was told, at any offset, of any kind, kept alive; and with memory of its own the same. Knows no particular
 * backend.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { BackendError } from "../../src/errors.ts";
import { type Binding, GraphBuilder, type Value, valueOf, zeros } from "../../src/tensor/index.ts";
import type { UseBackend } from "./backend.ts";
import { affine, bound, doubledPlusOne, outputsFor, runBound } from "./bound-graphs.ts";
import { toBeClose } from "./close.ts";
import { draw } from "./random.ts";

export function memoryBehaviour(use: UseBackend): void {
  describe("binding and memory", () => {
    test("a run sees what bound buffers hold at its start", async () => {
      await using b = await bound(use(), affine([4]), [4]);
      for (const seed of [1, 2, 3]) {
        b.x.data.set(draw(seed).normal([4]).data);
        await b.binding.run();
        toBeClose(b.y.data, doubledPlusOne(b.x), { rtol: 1e-6, atol: 1e-6 });
      }
    });

    test("the same run twice is identical to the last bit", async () => {
      const [m, k, n] = [65, 129, 63];
      const g = new GraphBuilder();
      const a = g.input("a", "f32", [m, k]);
      const ids = g.input("ids", "i32", [m]);
      const y = g.softmax(g.matmul(a, a, { transB: true }));
      const graph = g.build({ y, rows: g.scatterAddRows(ids, a, 7), sum: g.reduceSum(a, [0, 1]) });
      const d = draw(n);
      const inputs = { a: d.normal([m, k]), ids: d.ints([m], 7) };
      const first = outputsFor(graph);
      const second = outputsFor(graph);
      await runBound(use(), graph, { inputs, outputs: first });
      await runBound(use(), graph, { inputs, outputs: second });
      for (const [name, v] of Object.entries(first))
        assert.deepEqual(second[name]!.data, v.data, name);
    });

    for (const length of [1, 3, 15, 16, 17, 4099])
      test(`small and odd sizes: ${length} elements`, async () => {
        await using b = await bound(use(), affine([length]), [length]);
        b.x.data.set(draw(length).normal([length]).data);
        await b.binding.run();
        toBeClose(b.y.data, doubledPlusOne(b.x), { rtol: 1e-6, atol: 1e-6 });
      });

    for (const kind of ["ArrayBuffer", "SharedArrayBuffer"] as const)
      for (const [offset, length] of [
        [0, 5],
        [1, 5],
        [3, 40],
        [7, 3000],
      ] as const)
        test(`views of ${length} at element ${offset} of an ${kind}, neighbours untouched`, async () => {
          const inside = view(kind, offset, length);
          const outside = view(kind, offset, length);
          const x = valueOf(inside.part, [length]);
          const y = valueOf(outside.part, [length]);
          inside.part.set(draw(length).normal([length]).data);
          const before = Float32Array.from(inside.whole);
          await runBound(use(), affine([length]), { inputs: { x }, outputs: { y } });
          toBeClose(y.data, doubledPlusOne(x), { rtol: 1e-6, atol: 1e-6 });
          assert.deepEqual(Float32Array.from(inside.whole), before, "inputs are only read");
          outside.part.fill(-7);
          assert.ok(
            outside.whole.every((v) => v === -7),
            "nothing is written beside the output",
          );
        });

    test("i32 and bool buffers work at odd offsets", async () => {
      const g = new GraphBuilder();
      const ids = g.input("ids", "i32", [5]);
      const mask = g.input("mask", "bool", [5]);
      const graph = g.build({
        odd: g.and(mask, g.less(g.constant(Int32Array.of(1), [1]), ids)),
        ids,
      });
      const bytes = new Uint8Array(64).fill(9);
      const words = new Int32Array(32).fill(9);
      words.set([0, 1, 2, 3, -4], 3);
      bytes.set([1, 1, 1, 0, 1], 5);
      await runBound(use(), graph, {
        inputs: {
          ids: valueOf(words.subarray(3, 8), [5]),
          mask: valueOf(bytes.subarray(5, 10), [5]),
        },
        outputs: {
          odd: valueOf(bytes.subarray(21, 26), [5]),
          ids: valueOf(words.subarray(11, 16), [5]),
        },
      });
      assert.deepEqual([...bytes.subarray(20, 27)], [9, 0, 0, 1, 0, 0, 9]);
      assert.deepEqual([...words.subarray(10, 17)], [9, 0, 1, 2, 3, -4, 9]);
    });

    test("two bindings of one executable do not mix, in flight together", async () => {
      const executable = await use().compile(affine([500]));
      const values = [1, 2, 3, 4].map((seed) => ({
        x: draw(seed).normal([500]),
        y: zeros("f32", [500]),
      }));
      const bindings = values.map(({ x, y }) => executable.bind({ x }, { y }));
      await Promise.all(bindings.map((b) => b.run()));
      for (const { x, y } of values)
        toBeClose(y.data, doubledPlusOne(x), { rtol: 1e-6, atol: 1e-6 });
      for (const b of bindings) b.dispose();
      await executable.dispose();
    });

    test("runs of different executables are in flight together", async () => {
      const sizes = [3, 300, 3000];
      const all = await Promise.all(sizes.map((n) => bound(use(), affine([n]), [n])));
      for (const b of all) b.x.data.set(draw(1).normal(b.x.shape).data);
      await Promise.all(all.map((b) => b.binding.run()));
      for (const b of all) toBeClose(b.y.data, doubledPlusOne(b.x), { rtol: 1e-6, atol: 1e-6 });
      for (const b of all) await b[Symbol.asyncDispose]();
    });

    test("a binding keeps its buffers alive when nobody else does", async () => {
      const graph = affine([20000]);
      const executable = await use().compile(graph);
      const y = zeros("f32", [20000]);
      const binding = ((): Binding => {
        const x = zeros("f32", [20000]);
        x.data.fill(3);
        return executable.bind({ x }, { y });
      })();
      for (let i = 0; i < 3; i++) {
        collectGarbage();
        y.data.fill(0);
        await binding.run();
        assert.ok(y.data.every((v) => v === 7));
      }
      binding.dispose();
      await executable.dispose();
    });

    test("values that were placed hold what they held, are bound anywhere, and written in place", async () => {
      const place = await placing(use);
      const [x, y] = [place(draw(1).normal([4099])), place(zeros("f32", [4099]))];
      toBeClose(x.data, draw(1).normal([4099]).data);
      assert.equal(place(x), x, "what is in place stays there");
      const expected = doubledPlusOne(x);
      const close = { rtol: 1e-6, atol: 1e-6 };
      const executable = await use().compile(affine([4099]));
      const run = async (from: Value, to: Value): Promise<void> => {
        const binding = executable.bind({ x: from }, { y: to });
        await binding.run();
        binding.dispose();
      };
      await run(x, y);
      toBeClose(y.data, expected, close);
      const elsewhere = zeros("f32", [4099]);
      await run(x, elsewhere);
      toBeClose(elsewhere.data, expected, close);
      y.data.fill(0);
      await run(valueOf(x.data.slice(), [4099]), y);
      toBeClose(y.data, expected, close);
      await run(x, x);
      toBeClose(x.data, expected, close);
      await executable.dispose();
    });

    test("parts of a placed value are values, and outputs that overlap in it are refused", async () => {
      const place = await placing(use);
      const { data } = place(draw(2).normal([100]));
      const part = (from: number): Value => valueOf(data.subarray(from, from + 40), [40]);
      const before = data.slice();
      await runBound(use(), affine([40]), { inputs: { x: part(3) }, outputs: { y: part(50) } });
      toBeClose(part(50).data, doubledPlusOne(valueOf(before.subarray(3, 43), [40])), {
        rtol: 1e-6,
        atol: 1e-6,
      });
      assert.deepEqual(data.subarray(0, 50), before.subarray(0, 50));
      assert.deepEqual(data.subarray(90), before.subarray(90));
      if (use().place === undefined) return;
      const g = new GraphBuilder();
      const x = g.input("x", "f32", [40]);
      const executable = await use().compile(g.build({ y: g.neg(x), z: g.exp(x) }));
      const outputs = { y: part(0), z: part(39) };
      assert.throws(() => executable.bind({ x: zeros("f32", [40]) }, outputs), BackendError);
      await executable.dispose();
    });

    test("placed values live as long as a binding or a part of theirs is in use, and no longer", async () => {
      const place = await placing(use);
      const executable = await use().compile(affine([25_000]));
      const y = zeros("f32", [25_000]);
      const binding = ((): Binding => {
        const { data } = place(zeros("f32", [50_000]));
        data.fill(3);
        return executable.bind({ x: valueOf(data.subarray(20_000, 45_000), [25_000]) }, { y });
      })();
      for (let i = 0; i < 6; i++) {
        collectGarbage();
        await new Promise((resolve) => setTimeout(resolve));
        // What was given back would be taken again.
        for (let n = 0; n < 10; n++) place(zeros("f32", [50_000])).data.fill(9);
        await binding.run();
        assert.ok(y.data.every((v) => v === 7));
      }
      binding.dispose();
      await executable.dispose();
    });
  });
}

/** Moves values into memory that the backend works on in place. */
async function placing(use: UseBackend): Promise<(value: Value) => Value> {
  await use().ready?.();
  return (value) => use().place?.(value) ?? value;
}

/** A view into a larger buffer that is -7 everywhere else. */
function view(
  kind: "ArrayBuffer" | "SharedArrayBuffer",
  offset: number,
  length: number,
): { whole: Float32Array; part: Float32Array } {
  const bytes = 4 * (offset + length + 3);
  const buffer = kind === "ArrayBuffer" ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
  const whole = new Float32Array(buffer).fill(-7);
  return { whole, part: whole.subarray(offset, offset + length) };
}

/** Node gives no switch for this at run time but the flag itself. */
function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
}
