import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decodeBf16, E4M3_VALUES, encodeBf16 } from "../numerics/index.ts";
import { InvalidConfigError, ShapeError } from "../errors.ts";
import { ROW_FORMAT_NAMES, rowFormat } from "./index.ts";

function roundTrip(name: string, headDim: number, values: Float32Array): Float32Array {
  const format = rowFormat(name, headDim);
  const bytes = new Uint8Array((values.length / headDim) * format.rowBytes);
  format.encode(values, bytes);
  const back = new Float32Array(values.length);
  format.decode(bytes, back);
  return back;
}

test("rows have the released sizes", () => {
  assert.equal(rowFormat("f32", 256).rowBytes, 1024);
  assert.equal(rowFormat("bf16", 256).rowBytes, 512);
  assert.equal(rowFormat("fp8", 256).rowBytes, 264);
  assert.equal(rowFormat("fp8", 16).rowBytes, 17);
  assert.equal(rowFormat("fp8", 33).rowBytes, 35);
});

test("an FP8 row is its codes and then its scales", () => {
  const format = rowFormat("fp8", 40);
  const bytes = new Uint8Array(2 * format.rowBytes);
  const values = new Float32Array(80);
  values.fill(448, 0, 32).fill(-896, 32, 40).fill(1, 40);
  format.encode(values, bytes);
  assert.deepEqual(
    [...bytes.subarray(0, 42)],
    [...Array.from({ length: 32 }, () => 0x7e), ...Array.from({ length: 8 }, () => 0xfe), 127, 128],
  );
  // 1 / 448 rounds up to 2^-8: 1 becomes 256 = 0x78 with scale byte 119.
  assert.deepEqual([...bytes.subarray(42, 44)], [0x78, 0x78]);
  assert.deepEqual([...bytes.subarray(82)], [119, 119]);
});

test("f32 rows keep every bit", () => {
  fc.assert(
    fc.property(fc.float32Array({ minLength: 6, maxLength: 6 }), (values) => {
      assert.deepEqual(roundTrip("f32", 3, values), values);
    }),
  );
});

test("only f32 rows are their values' own bytes", () => {
  const values = Float32Array.of(1, 2, 3).subarray(1);
  const rows = rowFormat("f32", 2).rowsOf(values);
  assert.equal(rows?.buffer, values.buffer);
  assert.deepEqual([rows.byteOffset, rows.length], [4, 8]);
  assert.equal(rowFormat("bf16", 2).rowsOf(values), undefined);
  assert.equal(rowFormat("fp8", 2).rowsOf(values), undefined);
});

test("bf16 rows are the rounded values, low byte first", () => {
  fc.assert(
    fc.property(fc.float32Array({ minLength: 8, maxLength: 8 }), (values) => {
      const expected = values.map((value) => decodeBf16(encodeBf16(value)));
      assert.deepEqual(roundTrip("bf16", 4, values), expected);
    }),
  );
  const bytes = new Uint8Array(2);
  rowFormat("bf16", 1).encode(Float32Array.of(1), bytes);
  assert.deepEqual([...bytes], [0x80, 0x3f]);
});

test("FP8 rows decode as code times scale, block by block, for any bytes", () => {
  const format = rowFormat("fp8", 40);
  const bytes = fc.uint8Array({ minLength: 84, maxLength: 84 });
  fc.assert(
    fc.property(bytes, (rows) => {
      const values = new Float32Array(80);
      format.decode(rows, values);
      for (const [i, value] of values.entries()) {
        const row = Math.floor(i / 40);
        const j = i % 40;
        const scale = rows[row * 42 + 40 + Math.floor(j / 32)]!;
        const factor = scale === 255 ? NaN : 2 ** (scale - 127);
        const product = Math.fround(E4M3_VALUES[rows[row * 42 + j]!]! * factor);
        assert.ok(Object.is(value, decodeBf16(encodeBf16(product))) || Number.isNaN(value));
        assert.equal(Number.isNaN(value), Number.isNaN(product));
      }
    }),
  );
});

test("encoding decoded FP8 rows again changes no value", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ min: -1000, max: 1000, noNaN: true }), { minLength: 40, maxLength: 40 }),
      (values) => {
        const once = roundTrip("fp8", 20, Float32Array.from(values));
        assert.deepEqual(roundTrip("fp8", 20, once), once);
      },
    ),
  );
});

test("FP8 keeps values within half a step of their block's scale", () => {
  fc.assert(
    fc.property(
      fc.float32Array({ minLength: 32, maxLength: 32, noNaN: true, min: -5, max: 5 }),
      (values) => {
        const amax = Math.max(...values.map(Math.abs), 1e-4);
        const back = roundTrip("fp8", 32, values);
        for (const [i, value] of values.entries())
          // 4 significant bits: half a step is 1/16 relative; the smallest step is amax / 448 * 2 * 2^-9.
          assert.ok(
            Math.abs(back[i]! - value) <= Math.abs(value) / 16 + (amax / 448) * 2 * 2 ** -9,
          );
      },
    ),
  );
});

test("rows decode from any place of a larger array", () => {
  for (const name of ROW_FORMAT_NAMES) {
    const format = rowFormat(name, 3);
    // 127 and 7 are the largest codes: scale 1 in both integer formats.
    const values = name === "int8" ? Float32Array.of(1, -127, 5) : Float32Array.of(1, -7, 4);
    const storage = new Uint8Array(50);
    for (const shift of [0, 1, 2, 3]) {
      const bytes = storage.subarray(shift, shift + format.rowBytes);
      format.encode(values, bytes);
      const back = new Float32Array(4).subarray(1);
      format.decode(bytes, back);
      assert.deepEqual([...back], [...values], `${name} at ${shift}`);
    }
  }
});

test("unknown formats and arrays that do not fit are refused by name", () => {
  assert.throws(
    () => rowFormat("fp4", 8),
    (error) =>
      error instanceof InvalidConfigError &&
      /f32, bf16, fp8, int8, int4; "fp4"/.test(error.message),
  );
  assert.throws(() => rowFormat("f32", 0), /got 0/);
  const format = rowFormat("f32", 4);
  assert.throws(() => format.decode(new Uint8Array(15), new Float32Array(4)), ShapeError);
  assert.throws(() => format.encode(new Float32Array(5), new Uint8Array(99)), /got 5 values/);
});
