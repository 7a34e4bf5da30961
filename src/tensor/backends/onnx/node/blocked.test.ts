/** Products and rows of matrices that lie in blocks: the reference's numbers, by the kernels that read them where they lie. */
import assert from "node:assert/strict";
import test from "node:test";
import { toBeClose } from "../../../../../test/conformance/close.ts";
import { type Graph, GraphBuilder, referenceBackend, runOnce, valueOf } from "../../../index.ts";
import { rowBlocksOf } from "../blocked.ts";
import { lower } from "../lower.ts";
import { ortBackend } from "./index.ts";

const backend = ortBackend({ threads: 2 });
const block = await backend.rowBlock!();
const [rows, width] = [48, 32];

const numbers = (length: number, of: (i: number) => number): Float32Array =>
  Float32Array.from({ length }, (_, i) => of(i));

/** x [N,K] -> x W^T [N,M], and rows of W for ids [2,N]; W [M/b,K,b] is turned back as `Backend.rowBlock` says. */
function graphOf(count: number, size: number): Graph {
  const g = new GraphBuilder();
  const blocks = g.input("w", "f32", [rows / size, width, size]);
  const w = g.reshape(g.transpose(blocks, [0, 2, 1]), [rows, width]);
  const x = g.input("x", "f32", [count, width]);
  const ids = g.input("ids", "i32", [2, count]);
  return g.build({ y: g.matmul(x, w, { transB: true }), found: g.gatherRows(w, ids) });
}

function inputsOf(count: number, size: number) {
  return {
    w: valueOf(numbers(rows * width, Math.sin), [rows / size, width, size]),
    x: valueOf(numbers(count * width, Math.cos), [count, width]),
    ids: valueOf(
      Int32Array.from({ length: 2 * count }, (_, i) => (i * 7) % rows),
      [2, count],
    ),
  };
}

const kernels = (graph: Graph, size: number | undefined): string[] =>
  lower(graph, {
    caches: "in place",
    rowBlocks: size === undefined ? size : rowBlocksOf(size),
  }).nodes.map(({ opType }) => opType);

// 200 rows are more than blocks are read for; 4 is no block that a kernel has.
for (const count of [1, 2, 5, 64, 200])
  for (const size of [4, 8, 16])
    test(`${count} rows by a matrix in blocks of ${size} are the reference's`, async () => {
      const graph = graphOf(count, size);
      const inputs = inputsOf(count, size);
      const found = await runOnce(backend, graph, inputs);
      const expected = await runOnce(referenceBackend(), graph, inputs);
      toBeClose(found["y"]!.data as Float32Array, expected["y"]!.data as Float32Array, {
        rtol: 1e-5,
        atol: 1e-5,
      });
      assert.deepEqual(found["found"], expected["found"]);
    });

test("a row has the same sums alone as among others, to the bit", { skip: !block }, async () => {
  const inputs = inputsOf(70, block!);
  const all = (await runOnce(backend, graphOf(70, block!), inputs))["y"]!;
  for (const row of [0, 33, 69]) {
    const x = valueOf(inputs.x.data.slice(row * width, (row + 1) * width), [1, width]);
    const alone = await runOnce(backend, graphOf(1, block!), { ...inputsOf(1, block!), x });
    assert.deepEqual(alone["y"]!.data, all.data.slice(row * rows, (row + 1) * rows));
  }
});

test("blocks are read where they lie for few rows, and by rows for many; others are turned back", () => {
  assert.equal(kernels(graphOf(1, 8), 8).filter((op) => op === "Conv").length, 1);
  assert.ok(!kernels(graphOf(1, 8), 8).includes("Transpose"));
  const many = kernels(graphOf(512, 8), 8);
  assert.ok(many.includes("ReorderOutput") && many.includes("FusedMatMul"), many.join());
  for (const rowBlock of [16, undefined]) {
    const turned = kernels(graphOf(1, 8), rowBlock);
    assert.ok(turned.includes("Transpose") && !turned.includes("Conv"), turned.join());
  }
});

test("blocks that something else reads, too, keep their shape", () => {
  const g = new GraphBuilder();
  const blocks = g.input("w", "f32", [rows / 8, width, 8]);
  const w = g.reshape(g.transpose(blocks, [0, 2, 1]), [rows, width]);
  const y = g.matmul(g.input("x", "f32", [1, width]), w, { transB: true });
  const ops = kernels(g.build({ y, twice: g.add(blocks, blocks) }), 8);
  assert.ok(ops.includes("Transpose") && !ops.includes("Conv"), ops.join());
});
