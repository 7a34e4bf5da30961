import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { crc32c, linearCrc32c } from "./index.ts";

test("CRC-32C has the published check values", () => {
  assert.equal(crc32c(new TextEncoder().encode("123456789")), 0xe3069283);
  // RFC 3720, B.4.
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
});

test("the linear form is zero for zeros, adds like bits, and differs from the usual by the zeros' sum", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (a) => {
      const b = a.map((byte, i) => (byte * 31 + i) & 255);
      const sum = a.map((byte, i) => byte ^ b[i]!);
      assert.equal(linearCrc32c(new Uint8Array(a.length)), 0);
      assert.equal(linearCrc32c(sum), (linearCrc32c(a) ^ linearCrc32c(b)) >>> 0);
      assert.equal(linearCrc32c(a), (crc32c(a) ^ crc32c(new Uint8Array(a.length))) >>> 0);
    }),
  );
});

test("a sum continues from the sum of what stood before", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.nat(60), (bytes, cut) => {
      const [first, second] = [bytes.subarray(0, cut), bytes.subarray(cut)];
      assert.equal(crc32c(second, crc32c(first)), crc32c(bytes));
      assert.equal(linearCrc32c(second, linearCrc32c(first)), linearCrc32c(bytes));
    }),
  );
});
