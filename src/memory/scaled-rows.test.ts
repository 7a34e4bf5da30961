import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { decodeBf16 } from "../numerics/index.ts";
import { rowFormat } from "./index.ts";

const { cases } = JSON.parse(
  readFileSync(new URL("../../test/golden/scaled-ints.json", import.meta.url), "utf8"),
) as { cases: [name: "int8" | "int4", bits: number[], codes: number[], scales: number[]][] };

/** The bytes of a row as the format's description has them, put together code by code. */
function rowBytes(name: "int8" | "int4", codes: readonly number[], scales: readonly number[]) {
  const bytes: number[] = [];
  if (name === "int8") bytes.push(...codes.map((code) => code & 255));
  else
    for (let i = 0; i < codes.length; i += 2)
      bytes.push((codes[i]! & 15) | (((codes[i + 1] ?? 0) & 15) << 4));
  for (const bits of scales) bytes.push(bits & 255, bits >>> 8);
  return bytes;
}

test("rows become the bytes that NumPy's float32 gives", () => {
  for (const [name, bits, codes, scales] of cases) {
    const values = new Float32Array(Uint32Array.from(bits).buffer);
    const format = rowFormat(name, values.length);
    const bytes = new Uint8Array(format.rowBytes);
    format.encode(values, bytes);
    assert.deepEqual([...bytes], rowBytes(name, codes, scales), `${name} ${[...values].join()}`);
  }
});

test("rows decode to code times scale", () => {
  for (const [name, bits, codes, scales] of cases) {
    const values = new Float32Array(bits.length);
    rowFormat(name, bits.length).decode(Uint8Array.from(rowBytes(name, codes, scales)), values);
    const spare = name === "int8" ? -128 : -8;
    const run = name === "int8" ? bits.length : 32;
    for (const [i, code] of codes.entries()) {
      const scale = decodeBf16(scales[Math.floor(i / run)]!);
      assert.equal(values[i]! + 0, code === spare ? NaN : Math.fround(code * scale) + 0);
    }
  }
});

const anyRow = fc.float32Array({ minLength: 1, maxLength: 70 });

for (const [name, largest, run] of [
  ["int8", 127, Infinity],
  ["int4", 7, 32],
] as const) {
  test(`${name}: encoding what was decoded gives the same bytes, whatever the row`, () => {
    fc.assert(
      fc.property(anyRow, (values) => {
        const format = rowFormat(name, values.length);
        const once = new Uint8Array(format.rowBytes);
        format.encode(values, once);
        const back = new Float32Array(values.length);
        format.decode(once, back);
        const again = new Uint8Array(format.rowBytes);
        format.encode(back, again);
        assert.deepEqual(again, once);
      }),
      { numRuns: 2000 },
    );
  });

  test(`${name}: no finite value is off by more than half a step of its own run`, () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, maxLength: 70, noNaN: true, noDefaultInfinity: true }),
        (values) => {
          const format = rowFormat(name, values.length);
          const bytes = new Uint8Array(format.rowBytes);
          format.encode(values, bytes);
          const back = new Float32Array(values.length);
          format.decode(bytes, back);
          for (const [i, value] of values.entries()) {
            const from = Math.floor(i / run) * run || 0;
            const mates = values.subarray(from, from + run);
            const amax = Math.max(...mates.map(Math.abs));
            const step = Math.max((amax / largest) * (1 + 2 ** -8), 2 ** -126);
            assert.ok(Math.abs(back[i]! - value) <= 0.5001 * step, `${value} became ${back[i]}`);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
}

test("a row of zeros is zero bytes, and NaN stays NaN without touching its neighbours", () => {
  for (const name of ["int8", "int4"] as const) {
    const format = rowFormat(name, 40);
    const bytes = new Uint8Array(format.rowBytes).fill(0xee);
    format.encode(new Float32Array(40), bytes);
    assert.ok(bytes.every((byte) => byte === 0));
    const values = Float32Array.of(NaN, 1, -1);
    const small = rowFormat(name, 3);
    const row = new Uint8Array(small.rowBytes);
    small.encode(values, row);
    const back = new Float32Array(3);
    small.decode(row, back);
    assert.equal(back[0], NaN);
    assert.equal(back[1], -back[2]!);
    assert.ok(Math.abs(back[1]! - 1) < 2 ** -8);
  }
});

test("rows have the documented sizes", () => {
  for (const [d, int8, int4] of [
    [256, 258, 144],
    [16, 18, 10],
    [33, 35, 21],
    [1, 3, 3],
  ] as const) {
    assert.equal(rowFormat("int8", d).rowBytes, int8);
    assert.equal(rowFormat("int4", d).rowBytes, int4);
  }
});
