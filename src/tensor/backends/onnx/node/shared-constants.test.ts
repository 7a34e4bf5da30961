/** Large constants: handed over beside the model, repacked once, and shared by what is compiled over them. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { toBeClose } from "../../../../../test/conformance/close.ts";
import { draw } from "../../../../../test/conformance/random.ts";
import {
  type Executable,
  type Graph,
  GraphBuilder,
  runOnce,
  valueOf,
  zeros,
} from "../../../index.ts";
import { referenceBackend } from "../../reference/index.ts";
import { lower } from "../lower.ts";
import { ortBackend } from "./ort-backend.ts";

const backend = ortBackend({ threads: 2 });
after(() => backend.dispose());

const [rows, width] = [300, 256];
const bytes = Uint8Array.from(draw(1).ints([rows * width], 256).data);
const scales = draw(2).normal([rows, width / 32], 0.1).data;

/** `batch` rows through one packed matrix, which is also looked up in. */
function packedGraph(batch: number): Graph {
  const g = new GraphBuilder();
  const weight = {
    bits: 8 as const,
    codes: g.constant(bytes, [rows, width], { dtype: "u8" }),
    scales: g.constant(scales, [rows, width / 32]),
  };
  const ids = g.input("ids", "i32", [batch]);
  return g.build({ y: g.matmulQuantized(g.gatherRowsQuantized(weight, ids), weight) });
}

const idsOf = (batch: number) =>
  valueOf(
    Int32Array.from({ length: batch }, (_, i) => (i * 37) % rows),
    [batch],
  );

async function run(executable: Executable, batch: number): Promise<Float32Array> {
  const y = zeros("f32", [batch, rows]);
  const binding = executable.bind({ ids: idsOf(batch) }, { y });
  await binding.run();
  binding.dispose();
  return y.data as Float32Array;
}

test("large constants are not in the model's bytes, unless the driver wants them there", () => {
  const outside = lower(packedGraph(1), { caches: "in place", constants: "external" });
  assert.ok(outside.bytes.length < 2000, `${outside.bytes.length} bytes`);
  // Codes are there twice, in the shapes that two kernels ask for, over the same memory.
  const codes = outside.external.filter(({ raw }) => raw.length === bytes.length);
  assert.equal(codes.length, 2);
  for (const { raw } of codes) assert.equal(raw.buffer, bytes.buffer);
  assert.ok(lower(packedGraph(1), { caches: "separate" }).bytes.length > bytes.length);
});

test("what shares constants outlives the others, and a later one begins anew", async () => {
  const batches = [1, 3, 16];
  const expected = await Promise.all(
    batches.map(
      async (b) =>
        (await runOnce(referenceBackend(), packedGraph(b), { ids: idsOf(b) }))["y"]!.data,
    ),
  );
  // Activations may be rounded to 8 bits: 256 products of some 10 by weights of some 10.
  const near = { rtol: 0, atol: 0.02 * Math.max(...expected[2]!.map(Math.abs)) };
  const all = await Promise.all(batches.map((b) => backend.compile(packedGraph(b))));
  for (const [i, executable] of all.entries())
    toBeClose(await run(executable, batches[i]!), expected[i]!, near);
  await all[0]!.dispose();
  await all[2]!.dispose();
  toBeClose(await run(all[1]!, 3), expected[1]!, near);
  await all[1]!.dispose();
  const again = await backend.compile(packedGraph(1));
  toBeClose(await run(again, 1), expected[0]!, near);
  await again.dispose();
});

test("a graph that cannot be loaded leaves its constants behind unharmed", async () => {
  const g = new GraphBuilder();
  const table = g.constant(new Float32Array(5000), [5000]);
  const x = g.input("x", "f32", [1]);
  const graph = g.build({ y: g.add(table, x) });
  const broken: Graph = { ...graph, nodes: graph.nodes.map((n) => ({ ...n, outputs: [] })) };
  await assert.rejects(backend.compile(broken));
  const { y } = await runOnce(backend, graph, { x: valueOf(Float32Array.of(2), [1]) });
  assert.ok(y!.data.every((v) => v === 2));
});
