import assert from "node:assert/strict";
import { test } from "node:test";
import { type Graph, GraphBuilder, type Tensor } from "../../index.ts";
import { lower } from "./lower.ts";

const opsOf = (graph: Graph): string[] =>
  lower(graph, { caches: "in place" }).nodes.map((n) => n.opType);

/** x [1,1,64] -> two products by packed matrices [32,64] and [64,64], whose bytes lie at `starts`. */
function twoProducts(starts: readonly [number, number]): Graph {
  const g = new GraphBuilder();
  const x = g.reshape(g.input("x", "f32", [1, 1, 64]), [1, 64]);
  const [codes, scales] = [new Uint8Array(20_000), new Float32Array(1000)];
  const product = (at: number, rows: number): Tensor =>
    g.matmulQuantized(x, {
      bits: 8,
      codes: g.constant(codes.subarray(at * 64, (at + rows) * 64), [rows, 64], { dtype: "u8" }),
      scales: g.constant(scales.subarray(at * 2, (at + rows) * 2), [rows, 2]),
    });
  return g.build({ y: g.neg(product(starts[0], 32)), z: g.neg(product(starts[1], 64)) });
}

test("products of one x by matrices side by side in memory are one product, others stay apart", () => {
  assert.deepEqual(opsOf(twoProducts([0, 32])), [
    "MatMulNBits",
    "Split",
    "Reshape",
    "Reshape",
    "Neg",
    "Neg",
  ]);
  for (const starts of [
    [0, 33],
    [64, 0],
  ] as const)
    assert.equal(opsOf(twoProducts(starts)).filter((op) => op === "MatMulNBits").length, 2);
});

/** The nodes of a product of `rows` rows by a packed matrix [64,64], whose cross-entropy is asked for, too, if `isScored`. */
function opsOfProduct({
  rows,
  bits,
  isScored = false,
}: {
  rows: number;
  bits: 4 | 8;
  isScored?: boolean;
}): string[] {
  const g = new GraphBuilder();
  const x = g.input("x", "f32", [rows, 64]);
  const y = g.matmulQuantized(x, {
    bits,
    codes: g.constant(new Uint8Array(8 * bits * 64), [64, 8 * bits], { dtype: "u8" }),
    scales: g.constant(new Float32Array(128), [64, 2]),
  });
  const labels = g.input("labels", "i32", [rows]);
  return opsOf(g.build({ y, ...(isScored && { loss: g.op("crossEntropy", [y, labels], {})[0] }) }));
}

test("8-bit weights are unpacked for a long prompt, but not for a step, nor to score", () => {
  const isPacked = (...given: Parameters<typeof opsOfProduct>): boolean =>
    opsOfProduct(...given).includes("MatMulNBits");
  assert.deepEqual(opsOfProduct({ rows: 256, bits: 8 }), [
    "Expand",
    "DequantizeLinear",
    "Reshape",
    "FusedMatMul",
    "Reshape",
  ]);
  assert.ok(isPacked({ rows: 128, bits: 8 }));
  assert.ok(isPacked({ rows: 256, bits: 4 }));
  assert.ok(isPacked({ rows: 256, bits: 8, isScored: true }));
});

function sumAndNorm(
  more: (
    g: GraphBuilder,
    parts: { sum: Tensor; norm: Tensor; before: Tensor },
  ) => Record<string, Tensor>,
): string[] {
  const g = new GraphBuilder();
  const [a, b] = ["a", "b"].map((name) => g.input(name, "f32", [1, 3, 16])) as [Tensor, Tensor];
  const sum = g.add(a, b);
  const before = g.neg(sum);
  const norm = g.rmsNorm(sum, g.input("gain", "f32", [16]), 1e-5);
  return opsOf(g.build(more(g, { sum, norm, before })));
}

test("a sum is written with the norm that reads it first, and not where another needs it before", () => {
  assert.deepEqual(
    sumAndNorm((g, { sum, norm }) => ({ y: norm, z: g.abs(sum) })),
    ["SkipSimplifiedLayerNormalization", "Abs"],
  );
  assert.deepEqual(
    sumAndNorm((_, { norm, before }) => ({ y: norm, z: before })),
    ["Add", "Neg", "Reshape", "SkipSimplifiedLayerNormalization", "Reshape"],
  );
});
