import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decodeBf16, decodeBf16Array, encodeBf16, encodeBf16Array } from "./index.ts";
import { roundToBf16 } from "./bf16.ts";

test("every finite bf16 survives a round trip", () => {
  for (let bits = 0; bits < 65_536; bits++) {
    const value = decodeBf16(bits);
    if (!Number.isNaN(value)) assert.equal(encodeBf16(value), bits);
  }
});

test("rounding picks the nearer neighbour, the even one in a tie", () => {
  // bf16 has 8 significant bits: neighbours of 1 are 1 - 2^-8 and 1 + 2^-7.
  assert.equal(roundToBf16(1 + 2 ** -8), 1);
  assert.equal(roundToBf16(1 + 3 * 2 ** -8), 1 + 2 ** -6);
  assert.equal(roundToBf16(1 + 2 ** -8 + 2 ** -20), 1 + 2 ** -7);
  assert.equal(roundToBf16(-1 - 2 ** -8), -1);
  assert.equal(roundToBf16(0.1), 0.10009765625);
});

test("no other bf16 is nearer than the rounded one", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
      const bits = encodeBf16(value);
      const error = Math.abs(decodeBf16(bits) - value);
      for (const neighbour of [bits - 1, bits + 1]) {
        const other = decodeBf16(neighbour & 0xffff);
        if (Number.isFinite(other) && Number.isFinite(error))
          assert.ok(Math.abs(other - value) >= error, `${value}: ${neighbour} is nearer`);
      }
    }),
    { numRuns: 2000 },
  );
});

test("overflow gives infinity, and infinities, zeros and subnormals keep their sign", () => {
  assert.equal(roundToBf16(3.4028234663852886e38), Infinity);
  assert.equal(encodeBf16(-Infinity), 0xff80);
  assert.equal(encodeBf16(-0), 0x8000);
  assert.equal(roundToBf16(2 ** -133), 2 ** -133);
  assert.equal(roundToBf16(2 ** -134), 0);
  assert.equal(roundToBf16(2 ** -149), 0);
});

test("NaN stays NaN, payloads that the rounding carry would overflow included", () => {
  const bits = new Uint32Array([0x7f800001, 0x7fffffff, 0xffffffff, 0xff800001]);
  const codes = new Uint16Array(4);
  encodeBf16Array(new Float32Array(bits.buffer), codes);
  assert.deepEqual([...codes], [0x7fc0, 0x7fc0, 0xffc0, 0xffc0]);
});

test("arrays convert as single values do", () => {
  fc.assert(
    fc.property(fc.float32Array({ maxLength: 40 }), (values) => {
      const codes = new Uint16Array(values.length);
      encodeBf16Array(values, codes);
      assert.deepEqual([...codes], Array.from(values, encodeBf16));
      const back = new Float32Array(values.length);
      decodeBf16Array(codes, back);
      assert.deepEqual(back, Float32Array.from(codes, decodeBf16));
    }),
  );
});
