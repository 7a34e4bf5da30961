import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import * as fc from "fast-check";
import {
  dequantizeBlocks,
  QUANTIZED_BLOCK,
  type QuantizedBits,
  quantizeBlocks,
  Random,
} from "./index.ts";
import { roundToBf16 } from "./bf16.ts";

/** Two blocks of any size that single precision holds in full. */
const blocks = fc
  .array(fc.double({ min: -8, max: 8, noNaN: true }), { minLength: 64, maxLength: 64 })
  .chain((values) =>
    fc
      .integer({ min: -60, max: 60 })
      .map((e) => Float32Array.from(values, (v) => (Math.abs(v) < 2 ** -40 ? 0 : v * 2 ** e))),
  );
const bitCounts = fc.constantFrom<QuantizedBits>(4, 8);

/** Of one block: the least squared error that any of `scales` and any codes reach. */
function leastError(values: Float32Array, scales: readonly number[], bits: QuantizedBits): number {
  const codes = Array.from({ length: 2 ** bits }, (_, code) => code - 2 ** (bits - 1));
  return Math.min(
    ...scales.map((scale) =>
      values.reduce((sum, v) => sum + Math.min(...codes.map((c) => (v - c * scale) ** 2)), 0),
    ),
  );
}

test("a byte holds two codes of 4 bits, the earlier in its low half", () => {
  const values = Float32Array.from({ length: 32 }, (_, i) => (i % 16) - 8);
  const { codes, scales } = quantizeBlocks(values, 4);
  assert.deepEqual([...scales], [1]);
  assert.deepEqual([...codes.subarray(0, 8)], [0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe]);
});

test("codes of 8 bits are bytes with 128 for zero", () => {
  const values = Float32Array.from({ length: 32 }, (_, i) => (i === 3 ? -127 : i));
  const { codes, scales } = quantizeBlocks(values, 8);
  assert.deepEqual([...scales], [1]);
  assert.deepEqual([...codes.subarray(0, 6)], [128, 129, 130, 1, 132, 133]);
});

test("no codes come nearer with any of the scales that are tried", () => {
  const divisors = { 4: [7, 7.3, 7.6, 8, 8.4, 8.8, 9.2, 9.6], 8: [127] };
  fc.assert(
    fc.property(blocks, bitCounts, (all, bits) => {
      const values = all.subarray(0, QUANTIZED_BLOCK);
      const largest = values.reduce((a, v) => (Math.abs(v) > Math.abs(a) ? v : a), 0);
      const scales = divisors[bits].map((d) => roundToBf16(Math.fround(largest / -d)));
      const restored = dequantizeBlocks(quantizeBlocks(values, bits));
      const error = restored.reduce((sum, r, i) => sum + (values[i]! - r) ** 2, 0);
      assert.ok(error <= leastError(values, scales, bits) * (1 + 1e-6) + 1e-300);
    }),
    { numRuns: 200 },
  );
});

test("codes of 4 bits are those that eight sums of doubles for each block gave", () => {
  const values = new Float32Array(2 ** 18);
  Random.fromSeed(0, "blocks").fillNormal(values, 0.02);
  // On a lattice, errors of several scales come near to each other, and halves occur.
  for (let i = 0; i < 2 ** 16; i++) values[i] = Math.round(values[i]! * 200) / 200;
  const { codes, scales } = quantizeBlocks(values, 4);
  const digest = createHash("sha256").update(codes).update(scales).digest("hex");
  // By the loops of commit a1d97d7, which rounded with every scale.
  assert.equal(digest, "df3fc821586df33e96c53f1a18895f573cd39ed479cee3ce4785163ca53a421d");
});

test("no number is off by more than the format allows", () => {
  // 8 bits: half a step, and what rounding the scale cuts off. 4 bits: at worst the largest step is a 9.6th
  // of the largest number, whose opposite is then cut at seven steps.
  const allowed = { 4: 1 - (7 / 9.6) * (1 - 2 ** -8), 8: 0.5 / 127 + 2 ** -8 };
  fc.assert(
    fc.property(blocks, bitCounts, (values, bits) => {
      const restored = dequantizeBlocks(quantizeBlocks(values, bits));
      for (let from = 0; from < values.length; from += QUANTIZED_BLOCK) {
        const block = values.subarray(from, from + QUANTIZED_BLOCK);
        const amax = block.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
        for (const [i, v] of block.entries())
          assert.ok(Math.abs(v - restored[from + i]!) <= allowed[bits] * amax);
      }
    }),
    { numRuns: 500 },
  );
});

test("packing what was unpacked changes nothing", () => {
  fc.assert(
    fc.property(blocks, bitCounts, (values, bits) => {
      const once = dequantizeBlocks(quantizeBlocks(values, bits));
      const again = dequantizeBlocks(quantizeBlocks(once, bits));
      assert.deepEqual(
        Array.from(again, (v) => v + 0),
        Array.from(once, (v) => v + 0),
      );
    }),
    { numRuns: 500 },
  );
});

test("zeros stay zeros, and numbers too small for a scale become zeros", () => {
  for (const value of [0, 1e-44, -(2 ** -130)])
    for (const bits of [4, 8] as const) {
      const restored = dequantizeBlocks(quantizeBlocks(new Float32Array(32).fill(value), bits));
      assert.ok(restored.every((v) => v === 0));
    }
});

test("a weight that is not finite is refused", () => {
  for (const value of [NaN, Infinity, -Infinity])
    assert.throws(() => quantizeBlocks(new Float32Array(32).fill(value, 7, 8), 4), {
      code: "non_finite",
    });
});
