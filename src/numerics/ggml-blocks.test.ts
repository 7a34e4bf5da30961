import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeF16Array } from "./f16.ts";
import { decodeGgmlBlocks, ggmlRuns, packGgmlBlocks, unpackBlock } from "./ggml-blocks.ts";
import { type GgmlBlockType, ggmlTypes, packingOf } from "./block-types.ts";
import { dequantizeBlocks } from "./quantized-blocks.ts";

interface Golden {
  readonly formats: Readonly<Record<string, { readonly blocks: string; readonly values: string }>>;
  readonly halves: string;
}

const golden = JSON.parse(
  readFileSync(new URL("../../test/golden/ggml-blocks.json", import.meta.url), "utf8"),
) as Golden;

const bytesOf = (base64: string): Uint8Array => Uint8Array.from(Buffer.from(base64, "base64"));

for (const [name, format] of Object.entries(ggmlTypes)) {
  const { blocks, values } = golden.formats[name]!;
  const bytes = bytesOf(blocks);
  const expected = new Uint32Array(bytesOf(values).buffer);

  test(`${name} decodes to the bits that the Python package gguf gives`, () => {
    assert.equal(expected.length, (bytes.length / format.bytes) * format.values);
    const found = new Float32Array(expected.length);
    decodeGgmlBlocks(name as GgmlBlockType, bytes, found);
    assert.deepEqual(new Uint32Array(found.buffer), expected);
  });

  test(`${name} has its codes and offsets where the format says they are`, () => {
    const runs = ggmlRuns();
    const { bits, hasOffsets } = format;
    const least = hasOffsets ? 0 : -(2 ** (bits - 1));
    for (let at = 0; at < bytes.length; at += format.bytes) {
      unpackBlock[name as GgmlBlockType](bytes, at, runs);
      const codes = runs.codes.subarray(0, format.values);
      assert.ok(codes.every((code) => code >= least && code < least + 2 ** bits));
      const offsets = runs.offsets.subarray(0, format.values / format.run);
      if (!hasOffsets) assert.ok(offsets.every((offset) => Object.is(offset, -0)));
    }
  });
}

for (const name of Object.keys(ggmlTypes).filter((one) => packingOf(one as GgmlBlockType)))
  test(`${name} is packed as the numbers that it stands for`, () => {
    const { blocks, values } = golden.formats[name]!;
    const expected = new Float32Array(bytesOf(values).buffer);
    const type = name as GgmlBlockType;
    const packed = packGgmlBlocks(type, bytesOf(blocks), expected.length);
    assert.equal(packed.bits, packingOf(type)!.bits);
    const found = dequantizeBlocks(packed);
    for (const [i, value] of expected.entries()) {
      // Only the offsets of 4-bit codes are rounded: by 2^-24 of the largest number of the block at most.
      const largest =
        Math.abs(packed.offsets?.[i >> 5] ?? 0) + 8 * Math.abs(packed.scales[i >> 5]!);
      const slack = packed.bits === 4 && packed.offsets !== undefined ? largest * 2 ** -24 : 0;
      assert.ok(Math.abs(found[i]! - value) <= slack, `${i}: ${found[i]} for ${value}`);
    }
  });

test("every finite binary16 is decoded exactly", () => {
  const codes = Uint16Array.from({ length: 1 << 16 }, (_, code) => code);
  const finite = codes.filter((code) => (code & 0x7c00) !== 0x7c00);
  const values = new Float32Array(finite.length);
  decodeF16Array(finite, values);
  assert.equal(createHash("sha256").update(values).digest("hex"), golden.halves);
});

test("infinities and NaN of binary16 stay what they are", () => {
  const values = new Float32Array(4);
  decodeF16Array(Uint16Array.of(0x7c00, 0xfc00, 0x7c01, 0xfe00), values);
  assert.deepEqual([...values], [Infinity, -Infinity, Number.NaN, Number.NaN]);
});
