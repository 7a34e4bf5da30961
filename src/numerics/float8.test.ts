import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { decodeFp8Blocks, E4M3_VALUES, encodeFp8Blocks } from "./index.ts";
import { E8M0_VALUES, e8m0ForAmax, encodeE4M3 } from "./float8.ts";

const golden = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../test/golden/${name}`, import.meta.url), "utf8"));
const numeric = golden("engram-numeric-vectors.json");
const exhaustive = golden("float8-codes.json") as {
  codes: [number, number][];
  blocks: [number[], number, number[]][];
};

function encodeBlocks(values: readonly number[]): { codes: Uint8Array; scales: Uint8Array } {
  const codes = new Uint8Array(values.length);
  const scales = new Uint8Array(Math.ceil(values.length / 32));
  const place = { count: values.length, valuesAt: 0, codesAt: 0, scalesAt: 0 };
  encodeFp8Blocks(Float32Array.from(values), codes, { scales, ...place });
  return { codes, scales };
}

function decodeBlocks(codes: Uint8Array, scales: Uint8Array): Float32Array {
  const values = new Float32Array(codes.length);
  decodeFp8Blocks(codes, values, {
    scales,
    count: codes.length,
    valuesAt: 0,
    codesAt: 0,
    scalesAt: 0,
  });
  return values;
}

test("E4M3FN and E8M0 bytes have the published values", () => {
  for (const [name, table] of [
    ["e4m3_samples", E4M3_VALUES],
    ["e8m0_samples", E8M0_VALUES],
  ] as const)
    for (const [code, value] of Object.entries<number | string>(numeric[name]))
      assert.ok(Object.is(table[Number(code)], value === "NaN" ? NaN : value), `${name} ${code}`);
  assert.equal(E4M3_VALUES[0x7e], 448);
  assert.equal(E8M0_VALUES[0], 2 ** -127);
});

test("every E4M3FN code encodes back to itself", () => {
  for (let code = 0; code < 256; code++)
    if (!Number.isNaN(E4M3_VALUES[code])) assert.equal(encodeE4M3(E4M3_VALUES[code]!), code);
});

test("encoding picks the nearest of all codes and the even one in a tie", () => {
  for (const [value, code] of exhaustive.codes) assert.equal(encodeE4M3(value), code, `${value}`);
});

test("encoding clamps: 448, infinities and everything above give 0x7E with the sign", () => {
  for (const value of [448, 449, 464, 465, 1e9, Infinity]) {
    assert.equal(encodeE4M3(value), 0x7e);
    assert.equal(encodeE4M3(-value), 0xfe);
  }
  assert.equal(encodeE4M3(NaN), 0x7f);
});

test("encoding at the subnormal edge rounds to even and keeps the sign of zero", () => {
  assert.equal(encodeE4M3(2 ** -10), 0);
  assert.equal(encodeE4M3(2 ** -10 * 1.0001), 1);
  assert.equal(encodeE4M3(1.5 * 2 ** -9), 2);
  assert.equal(encodeE4M3(7.5 * 2 ** -9), 8);
  assert.equal(encodeE4M3(5e-324), 0);
  assert.equal(encodeE4M3(-0), 0x80);
});

test("the published activation blocks get their scales and codes", () => {
  const { act_quant_example: first, act_quant_example2: second } = numeric;
  const one = encodeBlocks([
    ...first.block_first4,
    ...Array.from({ length: 28 }, () => first.rest),
  ]);
  assert.equal(one.scales[0], first.scale_byte);
  assert.deepEqual([...one.codes.subarray(0, 5)], first.codes_first5.map(Number));
  const two = encodeBlocks([...second.block_first4, ...Array.from({ length: 28 }, () => 0)]);
  assert.equal(two.scales[0], second.scale_byte);
  assert.deepEqual([...two.codes.subarray(0, 4)], second.codes_first4.map(Number));
  assert.deepEqual([...decodeBlocks(two.codes, two.scales).subarray(0, 4)], second.dequant_first4);
});

test("blocks quantise as NumPy's float32 and an exhaustive search do", () => {
  for (const [values, scale, codes] of exhaustive.blocks) {
    const encoded = encodeBlocks(values);
    assert.equal(encoded.scales[0], scale);
    assert.deepEqual([...encoded.codes], codes);
  }
});

test("within blocks, every float32 near a rounding boundary gets the code it gets alone", () => {
  const edges = Array.from(E4M3_VALUES).filter((value) => value >= 0);
  const middles = edges.flatMap((low, i) => [low, (low + (edges[i + 1] ?? 448)) / 2]);
  const bits = new Uint32Array(1);
  const float = new Float32Array(bits.buffer);
  for (const middle of middles)
    for (const step of [-1, 0, 1])
      for (const sign of [1, -1]) {
        float[0] = middle;
        bits[0] = Math.max(0, bits[0]! + step);
        // Above 448 the value would set the scale itself.
        const value = sign * Math.min(float[0], 448);
        // 448 in the block fixes its scale at 1.
        assert.equal(encodeBlocks([448, value]).codes[1], encodeE4M3(value), `${value}`);
      }
});

test("the scale is the smallest power of two that fits amax, with the floor of 1e-4", () => {
  assert.equal(e8m0ForAmax(448), 127);
  assert.equal(e8m0ForAmax(Math.fround(448.0001)), 128);
  assert.equal(e8m0ForAmax(224), 126);
  assert.equal(e8m0ForAmax(0), e8m0ForAmax(1e-4));
  assert.equal(e8m0ForAmax(0), 127 - 22);
  assert.equal(e8m0ForAmax(Infinity), 254);
});

test("infinities and NaN in a block stay what they are", () => {
  const { codes, scales } = encodeBlocks([1, NaN, -Infinity, 3]);
  assert.deepEqual([...decodeBlocks(codes, scales)], [0, NaN, -Infinity, 0]);
  const alone = encodeBlocks([1, NaN, 0.5]);
  assert.deepEqual([...decodeBlocks(alone.codes, alone.scales)], [1, NaN, 0.5]);
});

test("a decoded value is the exact product rounded to bf16, for every code and scale", () => {
  const bits = new DataView(new ArrayBuffer(4));
  for (let scale = 0; scale < 256; scale++) {
    const codes = Uint8Array.from({ length: 256 }, (_, code) => code);
    const values = decodeBlocks(codes, new Uint8Array(8).fill(scale));
    for (let code = 0; code < 256; code++) {
      const exact = scale === 255 ? NaN : Math.fround(E4M3_VALUES[code]! * 2 ** (scale - 127));
      const value = values[code]!;
      bits.setFloat32(0, value);
      if (Number.isNaN(exact)) {
        assert.ok(Number.isNaN(value), `code ${code} scale ${scale}`);
        continue;
      }
      assert.equal(bits.getUint32(0) & 0xffff, 0, `code ${code} scale ${scale} is a bf16`);
      if (scale >= 3) assert.ok(Object.is(value, exact), `code ${code} scale ${scale}`);
      // Below that, bf16's own step of 2^-133 is all that may be lost.
      else assert.ok(Math.abs(value - exact) <= 2 ** -134, `code ${code} scale ${scale}`);
    }
  }
});

test("requantising a decoded block loses nothing while amax is above the floor", () => {
  const code = fc.integer({ min: 0, max: 255 }).filter((c) => (c & 0x7f) !== 0x7f);
  fc.assert(
    fc.property(
      fc.array(code, { minLength: 32, maxLength: 32 }),
      fc.integer({ min: 127 - 18, max: 230 }),
      (codes, scale) => {
        const values = decodeBlocks(Uint8Array.from(codes), Uint8Array.of(scale));
        fc.pre(Math.max(...values.map(Math.abs)) >= 1e-4);
        const again = encodeBlocks([...values]);
        assert.ok(again.scales[0]! <= scale);
        assert.deepEqual(decodeBlocks(again.codes, again.scales), values);
      },
    ),
  );
});

test("a last block may be shorter than 32", () => {
  const values = Array.from({ length: 40 }, (_, i) => (i < 32 ? 1 : 1000));
  const { codes, scales } = encodeBlocks(values);
  assert.equal(scales.length, 2);
  assert.ok(scales[1]! > scales[0]!);
  assert.deepEqual([...decodeBlocks(codes, scales)].slice(31, 34), [1, 1024, 1024]);
});
