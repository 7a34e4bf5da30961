/**
 * The oracle itself, held against NumPy: test/golden/ops.json, made by reference/make_golden_ops.py.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { evaluateOp } from "../../../../test/conformance/cases/op-case.ts";
import { toBeClose } from "../../../../test/conformance/close.ts";
import { opCases } from "../../../../test/conformance/op-cases.ts";
import { BackendError } from "../../../errors.ts";
import {
  dataFor,
  type DType,
  type OpAttrs,
  type OpName,
  type Shape,
  type Value,
} from "../../index.ts";

interface Packed {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: readonly (number | "inf" | "-inf")[];
}

interface Golden {
  readonly op: OpName;
  readonly attrs: OpAttrs[OpName];
  readonly inputs: readonly Packed[];
  readonly outputs: readonly Packed[];
}

const file = new URL("../../../../test/golden/ops.json", import.meta.url);
const goldens = JSON.parse(readFileSync(file, "utf8")) as Golden[];

function numbersOf({ data }: Packed): number[] {
  return data.map((v) => (v === "inf" ? Infinity : v === "-inf" ? -Infinity : v));
}

function unpack(packed: Packed): Value {
  const data = dataFor(packed.dtype, packed.data.length);
  data.set(numbersOf(packed));
  return { dtype: packed.dtype, shape: packed.shape, data };
}

for (const op of Object.keys(opCases) as OpName[])
  test(`${op} computes what NumPy does`, () => {
    const own = goldens.filter((g) => g.op === op);
    assert.ok(own.length > 0, "no golden");
    for (const { attrs, inputs, outputs } of own) {
      const actual = evaluateOp(op, inputs.map(unpack), attrs);
      assert.equal(actual.length, outputs.length);
      outputs.forEach((expected, i) =>
        toBeClose(actual[i]!, numbersOf(expected), {
          rtol: 1e-12,
          atol: 1e-13,
          label: `output ${i}`,
        }),
      );
    }
  });

const ids = (...numbers: number[]): Value => ({
  dtype: "i32",
  shape: [numbers.length],
  data: Int32Array.from(numbers),
});
const ones = (...shape: number[]): Value => ({
  dtype: "f32",
  shape,
  data: new Float32Array(shape.reduce((n, d) => n * d, 1)).fill(1),
});

test("row ids and labels outside their table are refused", () => {
  for (const id of [-1, 3]) {
    assert.throws(() => evaluateOp("gatherRows", [ones(3, 2), ids(id)], {}), BackendError);
    assert.throws(
      () => evaluateOp("scatterAddRows", [ids(id), ones(1, 2)], { numRows: 3 }),
      BackendError,
    );
    const [hidden, weight] = [ones(1, 2), ones(3, 2)];
    assert.throws(
      () => evaluateOp("linearCrossEntropy", [hidden, weight, ids(id)], {}),
      BackendError,
    );
    assert.throws(() => evaluateOp("subtractOneHot", [ones(1, 3), ids(id)], {}), BackendError);
  }
});

function attendAfter(length: number, ...past: number[]): unknown {
  const chunk = ones(past.length, 1, length, 2);
  const cache = ones(past.length, 1, 4, 2);
  const inputs = [chunk, chunk, chunk, cache, cache, ids(...past)];
  return evaluateOp("cachedAttention", inputs, { scale: 1 });
}

test("a cache that is too small, and chunks at different positions, are refused", () => {
  attendAfter(2, 2, 2);
  assert.throws(() => attendAfter(2, 3), BackendError);
  assert.throws(() => attendAfter(1, 4), BackendError);
  assert.throws(() => attendAfter(1, -1), BackendError);
  assert.throws(() => attendAfter(2, 1, 2), BackendError);
});
