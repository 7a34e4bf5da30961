import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { BackendError } from "../../../../errors.ts";
import { backendConformance } from "../../../../../test/conformance/backend.ts";
import { type Binding, GraphBuilder, valueOf, type Value, zeros } from "../../../index.ts";
import { ortBackend } from "./ort-backend.ts";

backendConformance("onnx through the C interface", async () => ortBackend({ threads: 2 }));

const backend = ortBackend({ threads: 2 });
after(() => backend.dispose());

/** Numbers that look random and are the same every time. */
function filled(shape: readonly number[], seed: number): Value {
  const v = zeros("f32", shape);
  let state = seed;
  for (let i = 0; i < v.data.length; i++) {
    state = (state * 48271) % 2147483647;
    v.data[i] = state / 1073741823.5 - 1;
  }
  return v;
}

/** Products long enough to be still running when the next turn of the event loop comes. */
async function longRun(): Promise<{ binding: Binding; dispose: () => Promise<void>; y: Value }> {
  const g = new GraphBuilder();
  const x = g.input("x", "f32", [600, 600]);
  let y = x;
  for (let i = 0; i < 10; i++) y = g.mul(g.matmul(y, x), 0.05);
  const executable = await backend.compile(g.build({ y }));
  const out = zeros("f32", [600, 600]);
  const binding = executable.bind({ x: filled([600, 600], 1) }, { y: out });
  return { binding, dispose: () => executable.dispose(), y: out };
}

describe("runs", () => {
  test("leave the event loop free", async () => {
    const { binding, dispose } = await longRun();
    let finished = false;
    const running = binding.run().then(() => (finished = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(finished, false);
    await running;
    await dispose();
  });

  test("of one binding must not overlap", async () => {
    const { binding, dispose } = await longRun();
    const first = binding.run();
    await assert.rejects(() => binding.run(), /already runs/);
    await first;
    await binding.run();
    await dispose();
  });

  test("in flight survive disposal of everything above them", async () => {
    const { binding, dispose, y } = await longRun();
    await binding.run();
    const expected = y.data.slice();
    y.data.fill(0);
    const running = binding.run();
    binding.dispose();
    await dispose();
    assert.deepEqual(y.data, expected);
    await running;
    await assert.rejects(() => binding.run(), BackendError);
  });

  test("by the hundred at once all finish, whichever fail", async () => {
    const g = new GraphBuilder();
    const ids = g.input("ids", "i32", [1]);
    const graph = g.build({ y: g.gatherRows(g.input("table", "f32", [300, 1]), ids) });
    const executable = await backend.compile(graph);
    const table = zeros("f32", [300, 1]);
    for (let i = 0; i < 300; i++) table.data[i] = i + 0.5;
    const all = Array.from({ length: 600 }, (_, i) => {
      const y = zeros("f32", [1, 1]);
      return { y, binding: executable.bind({ ids: valueOf(Int32Array.of(i), [1]), table }, { y }) };
    });
    const ends = await Promise.allSettled(all.map(({ binding }) => binding.run()));
    for (const [i, { status }] of ends.entries()) {
      assert.equal(status, i < 300 ? "fulfilled" : "rejected");
      if (i < 300) assert.equal(all[i]!.y.data[0], i + 0.5);
    }
    await executable.dispose();
  });

  test("repeat to the last bit, also beside each other", async () => {
    const [n, d, v] = [512, 96, 1000];
    const g = new GraphBuilder();
    const hidden = g.input("hidden", "f32", [n, d]);
    const weight = g.input("weight", "f32", [v, d]);
    const labels = g.input("labels", "i32", [n]);
    const [loss, probs] = g.op("linearCrossEntropy", [hidden, weight, labels], {});
    const dLogits = g.subtractOneHot(probs!, labels);
    const dHidden = g.matmul(dLogits, weight);
    const graph = g.build({
      loss: g.reduceMean(loss!, [0]),
      dWeight: g.matmul(dLogits, hidden, { transA: true }),
      table: g.scatterAddRows(labels, dHidden, 7),
      norm: g.rmsNorm(dHidden, g.input("gain", "f32", [d]), 1e-6),
    });
    const executable = await backend.compile(graph);
    const ids = zeros("i32", [n]);
    for (let i = 0; i < n; i++) ids.data[i] = (i * i) % 7;
    const inputs = {
      hidden: filled([n, d], 1),
      weight: filled([v, d], 2),
      gain: filled([d], 3),
      labels: ids,
    };
    const bound = [0, 1].map(() => {
      const outputs = Object.fromEntries(
        [...graph.outputs].map(([name, t]) => [name, zeros(t.dtype, t.shape)]),
      );
      return { outputs, binding: executable.bind(inputs, outputs) };
    });
    await bound[0]!.binding.run();
    const first = Object.entries(bound[0]!.outputs).map(([name, { data }]) => [name, data.slice()]);
    for (let i = 0; i < 10; i++) {
      await Promise.all(bound.map(({ binding }) => binding.run()));
      for (const { outputs } of bound)
        for (const [name, data] of first)
          assert.deepEqual(outputs[name as string]!.data, data, `${String(name)}, repeat ${i}`);
    }
    await executable.dispose();
  });
});

/** Runs a program that finds a graph `y = -x` and what works on it. */
function inProcess(program: string): { stdout: string; stderr: string } {
  const urls = ["../../../index.ts", "../index.ts", "index.ts"].map(
    (file) => new URL(file, import.meta.url).href,
  );
  const head = `
    const [{ default: assert }, { GraphBuilder, runOnce, valueOf }, { lower }, { ortBackend }] =
      await Promise.all(["node:assert", ...process.argv.slice(1)].map((url) => import(url)));
    const g = new GraphBuilder();
    const graph = g.build({ y: g.neg(g.input("x", "f32", [1])) });`;
  const args = ["--input-type=module", "-e", head + program, ...urls];
  return spawnSync(process.execPath, args, { encoding: "utf8" });
}

describe("refusals", () => {
  test("another number of threads, naming both", () => {
    assert.throws(() => ortBackend({ threads: 3 }), /2 threads .* 3/);
    for (const threads of [0, -1, 1.5, Number.NaN])
      assert.throws(() => ortBackend({ threads }), BackendError);
  });

  test("a process whose library was started by onnxruntime-node, saying what to do", () => {
    const { stdout } = inProcess(`
      const { InferenceSession } = await import("onnxruntime-node");
      await InferenceSession.create(lower(graph, { caches: "separate" }).bytes);
      process.on("warning", () => process.exit(1));
      await ortBackend({ threads: 1 }).compile(graph).catch((e) => console.log(e.code, e.message));
    `);
    assert.match(stdout, /^backend_failed .*create this backend before it/);
  });

  test("a platform without a library: WebAssembly computes, and says so once", () => {
    const { stdout, stderr } = inProcess(`
      Object.defineProperty(process, "arch", { value: "mips" });
      assert.throws(() => ortBackend({ threads: 0 }), { code: "backend_failed" });
      const [backend] = [ortBackend(), ortBackend({ threads: 1 })];
      const { y } = await runOnce(backend, graph, { x: valueOf(Float32Array.of(3), [1]) });
      console.log(backend.name, y.data[0]);
    `);
    assert.equal(stdout, "onnx (WebAssembly) -3\n");
    assert.match(stderr, /ENGRAM_NO_NATIVE_ENGINE.* WebAssembly.*none came for \w+-mips/);
    assert.equal(stderr.match(/ENGRAM_NO_NATIVE_ENGINE/g)?.length, 1);
  });

  test("a row id outside the table: ONNX Runtime's message, and the next run works", async () => {
    const g = new GraphBuilder();
    const ids = g.input("ids", "i32", [3]);
    const graph = g.build({ y: g.gatherRows(g.input("table", "f32", [4, 2]), ids) });
    const executable = await backend.compile(graph);
    const which = valueOf(Int32Array.of(0, 4, 1), [3]);
    const y = zeros("f32", [3, 2]);
    const binding = executable.bind({ ids: which, table: filled([4, 2], 1) }, { y });
    await assert.rejects(
      () => binding.run(),
      (e) => e instanceof BackendError && /Gather.*indices/s.test(e.message),
    );
    which.data[1] = 3;
    await binding.run();
    await executable.dispose();
  });

  for (const past of [-1, 7, 2 ** 31 - 1])
    test(`a cache position outside the cache: ${past}`, async () => {
      const g = new GraphBuilder();
      const [q, k, v] = ["q", "k", "v"].map((name) => g.input(name, "f32", [1, 2, 2, 8]));
      const caches = ["kc", "vc"].map((name) => g.input(name, "f32", [1, 2, 8, 8]));
      const position = g.input("past", "i32", [1]);
      const [y, k2, v2] = g.op("cachedAttention", [q!, k!, v!, ...caches, position], { scale: 1 });
      const executable = await backend.compile(g.build({ y: y!, k2: k2!, v2: v2! }));
      const one = () => filled([1, 2, 2, 8], 1);
      const [kc, vc] = [filled([1, 2, 8, 8], 2), filled([1, 2, 8, 8], 3)];
      const binding = executable.bind(
        { q: one(), k: one(), v: one(), kc, vc, past: valueOf(Int32Array.of(past), [1]) },
        { y: one(), k2: kc, v2: vc },
      );
      await assert.rejects(() => binding.run(), /"past": expected 0 to 6, got/);
      assert.deepEqual(kc.data, filled([1, 2, 8, 8], 2).data);
      await executable.dispose();
    });
});

describe("a process that ends with runs in flight", () => {
  const fixture = fileURLToPath(new URL("exit-in-flight.fixture.ts", import.meta.url));
  for (const [way, code] of [
    ["exit", 7],
    ["exit in a turn", 7],
    ["throw", 1],
    ["dispose and exit", 7],
    ["wait", 0],
  ] as const)
    test(`${way}: ends with code ${code}, by no signal`, () => {
      const { status, signal, stdout } = spawnSync(process.execPath, [fixture, way], {
        encoding: "utf8",
      });
      assert.deepEqual({ status, signal }, { status: code, signal: null });
      assert.match(stdout, /in flight/);
    });
});
