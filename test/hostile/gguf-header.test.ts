/** GGUF headers made to hurt: every one gets a clear error, and none gets memory. */
import assert from "node:assert/strict";
import test from "node:test";
import { parseGguf } from "../../src/checkpoint/index.ts";
import { GgufFile } from "../../src/checkpoint/gguf-file.ts";
import { FormatError } from "../../src/errors.ts";
import { f32, ggufBytes, type GgufToWrite, join, u32, u64 } from "../models/write-gguf.ts";

const sound: GgufToWrite = {
  settings: {
    "general.architecture": ["text", "llama"],
    "llama.block_count": ["u32", 2],
    "some.flag": ["bool", 1],
    "some.long": ["u64", 2n ** 60n],
    "some.short": ["u64", 7n],
    "some.names": ["texts", ["a", "", "\u2581"]],
    "some.types": ["i32s", [1, -3]],
    "some.scores": ["f32s", [0.5, -1e4]],
  },
  tensors: [
    { name: "one", sides: [3, 2], type: 0, bytes: f32(1, 2, 3, 4, 5, 6) },
    { name: "two", sides: [32], type: 8, bytes: new Uint8Array(34).fill(1) },
  ],
};

function parse(bytes: Uint8Array): ReturnType<typeof parseGguf> {
  return parseGguf(bytes, bytes.length);
}

test("a sound file is read: settings by their types, tensors rows first", () => {
  const bytes = ggufBytes(sound);
  const { metadata, tensors } = parse(bytes)!;
  assert.deepEqual(Object.fromEntries(metadata), {
    "general.architecture": "llama",
    "llama.block_count": 2,
    "some.flag": true,
    "some.long": 2 ** 60,
    "some.short": 7,
    "some.names": ["a", "", "\u2581"],
    "some.types": Int32Array.of(1, -3),
    "some.scores": Float32Array.of(0.5, -1e4),
  });
  const [one, two] = [...tensors.values()];
  assert.deepEqual([one!.dtype, one!.shape], ["F32", [2, 3]]);
  assert.deepEqual(bytes.subarray(one!.begin, one!.end), f32(1, 2, 3, 4, 5, 6));
  assert.deepEqual([two!.dtype, two!.shape, two!.end - two!.begin], ["Q8_0", [32], 34]);
});

test("a header that is longer than what was read asks for more, and no cut of a file is taken for whole", () => {
  const bytes = ggufBytes(sound);
  const { tensors } = parse(bytes)!;
  for (let length = 0; length < bytes.length; length++) {
    const head = bytes.subarray(0, length);
    // The file goes on: the header is found, or more is asked for.
    const found = parseGguf(head, bytes.length);
    if (found !== undefined) assert.deepEqual(found.tensors, tensors);
    // The file ends here. Padding after the last tensor may be missing.
    if (length < tensors.get("two")!.end)
      assert.throws(() => parse(head), FormatError, `cut at ${length}`);
    else assert.deepEqual(parse(head)!.tensors, tensors);
  }
});

const texts = (...all: number[][]): Uint8Array =>
  join(...all.flatMap((bytes) => [u64(bytes.length), Uint8Array.from(bytes)]));

test("lists of texts of every length of character come as written", () => {
  const written = ["", "a", "\u00e9", "\u2581the", "\u{1f408}\u{1f408}x", "\ufeff", "", "\u0120of"];
  const { metadata } = parse(ggufBytes({ settings: { many: ["texts", written] } }))!;
  assert.deepEqual(metadata.get("many"), written);
});

const manyAt = (value: bigint): Uint8Array => join(u32(4), u64(value), new Uint8Array(64));
const huge = 2n ** 60n;
const tensor = sound.tensors![0]!;

const hostile: Readonly<Record<string, readonly [GgufToWrite, RegExp]>> = {
  "2^60 settings": [{ ...sound, numSettings: huge }, /number of settings is 1152921504606846976/],
  "2^60 tensors": [{ ...sound, numTensors: huge }, /number of tensors is 1152921504606846976/],
  "2^40 tensors": [{ ...sound, numTensors: 2n ** 40n }, /says that it has 1099511627776 tensors/],
  "an array of 2^60 elements": [
    { settings: { many: [9, manyAt(huge)] } },
    /number of elements of "many" is 1152921504606846976/,
  ],
  "an array of 2^33 numbers": [
    { settings: { many: [9, manyAt(2n ** 33n)] } },
    /says that it has 8589934592 elements of "many", the file has \d+ bytes/,
  ],
  "a text of 4 GB": [
    { settings: { long: [8, u64(2 ** 32)] } },
    /says that it has 4294967296 bytes of setting "long"/,
  ],
  "arrays in arrays": [
    { settings: { deep: [9, join(u32(9), u64(1), u32(9), u64(1))] } },
    /"deep" is of a type that is not known: 9/,
  ],
  "an unknown type of setting": [{ settings: { odd: [13, u64(0)] } }, /"odd" is of a type .*: 13/],
  "a text that is not UTF-8": [
    { settings: { bad: [8, join(u64(2), Uint8Array.of(0xc3, 0x28))] } },
    /setting "bad" is not UTF-8/,
  ],
  "two texts that are UTF-8 only together": [
    {
      settings: {
        cut: [9, join(u32(8), u64(3), texts([0x61], [0xc3], [0xa9]))],
      },
    },
    /element 1 of "cut" is not UTF-8/,
  ],
  "a list of texts, the second of which goes on behind the file": [
    { settings: { cut: [9, join(u32(8), u64(2), texts([0x61]), u64(9e9))] } },
    /it says that it has 9000000000 bytes of element 1 of "cut"/,
  ],
  "alignment 0": [
    { ...sound, settings: { "general.alignment": ["u32", 0] } },
    /power of two.*it is 0/,
  ],
  "alignment 24": [{ ...sound, settings: { "general.alignment": ["u32", 24] } }, /it is 24/],
  "alignment as a text": [
    { ...sound, settings: { "general.alignment": ["text", "32"] } },
    /general.alignment should be a power of two/,
  ],
  "a version of the future": [{ ...sound, version: 4 }, /GGUF version 4, expected 2 or 3/],
  "a big-endian file": [{ ...sound, version: 0x03000000 }, /big-endian/],
  "five sides": [
    { settings: {}, tensors: [{ ...tensor, sides: [1, 1, 1, 1, 6] }] },
    /"one" has 5 sides, at most 4/,
  ],
  "a side of 2^60": [
    { settings: {}, tensors: [{ ...tensor, sides: [huge] }] },
    /a side of tensor "one" is 1152921504606846976/,
  ],
  "sides whose product is not a number": [
    { settings: {}, tensors: [{ ...tensor, sides: [2 ** 31, 2 ** 31, 2 ** 31] }] },
    /"one" of shape .* is larger than any file/,
  ],
  "a tensor larger than the file": [
    { settings: {}, tensors: [{ ...tensor, sides: [1000, 1000] }] },
    /cut short: tensor "one" ends at byte 40000\d\d, the file at \d+/,
  ],
  "tensors that overlap": [
    { settings: {}, tensors: [tensor, { ...tensor, name: "two", offset: 8 }] },
    /"two" begins at byte 8 of the data, the one before it ends at 32/,
  ],
  "an offset that is not aligned": [
    { settings: {}, tensors: [{ ...tensor, offset: 4 }] },
    /"one" begins at byte 4 of the data/,
  ],
  "an offset of 2^63": [
    { settings: {}, tensors: [{ ...tensor, offset: 2n ** 63n }] },
    /the offset of tensor "one" is 9223372036854775808/,
  ],
  "a tensor that occurs twice": [{ settings: {}, tensors: [tensor, tensor] }, /"one" occurs twice/],
  "a block type that is not read here": [
    { settings: {}, tensors: [{ name: "w", sides: [256], type: 16, bytes: new Uint8Array(66) }] },
    /"w" is of type IQ2_XXS, which is not read here; known are F32, F16, BF16, Q4_0/,
  ],
  "a type that nobody knows": [
    { settings: {}, tensors: [{ ...tensor, type: 999 }] },
    /"one" is of type 999, which is not read here/,
  ],
  "rows that are no whole blocks": [
    { settings: {}, tensors: [{ name: "w", sides: [33, 2], type: 8, bytes: new Uint8Array(68) }] },
    /"w": rows of 33 are no whole blocks of 32 \(Q8_0\)/,
  ],
};

for (const [what, [file, expected]] of Object.entries(hostile))
  test(`${what}: refused by name and number`, () => {
    assert.throws(
      () => parse(ggufBytes(file)),
      (error: unknown) => {
        assert.ok(error instanceof FormatError, String(error));
        assert.match(error.message, expected);
        return true;
      },
    );
  });

test("a setting that occurs twice, and bytes after the last tensor, are refused", () => {
  const bytes = ggufBytes({ settings: { ab: ["u32", 1], aB: ["u32", 2] } });
  const same = Buffer.from(Buffer.from(bytes).toString("latin1").replace("aB", "ab"), "latin1");
  assert.throws(() => parse(same), /the setting "ab" occurs twice/);
  const longer = join(ggufBytes(sound), new Uint8Array(1));
  assert.throws(() => parse(longer), /1 bytes after the last tensor belong to none/);
});

test("a file that is something else is named, and closed", async () => {
  for (const [begin, expected] of [
    [
      "version https://git-lfs.github.com/spec/v1\noid",
      /model is a git-LFS pointer, expected a GGUF file/,
    ],
    ["PK\x03\x04", /model is a ZIP archive/],
    ["{}", /model: the file is cut short/],
    ["GGML, once", /model: it does not begin with GGUF/],
  ] as const) {
    const bytes = Buffer.from(begin, "latin1");
    let isClosed = false;
    const opened = GgufFile.open({
      name: "model",
      size: bytes.length,
      maxGapBytes: 0,
      maxCallBytes: 1,
      maxInFlight: 1,
      async read(at, into) {
        into.set(bytes.subarray(at, at + into.length));
      },
      async close() {
        isClosed = true;
      },
    });
    await assert.rejects(opened, expected);
    assert.ok(isClosed);
  }
});
