/**
 * The header parser against bytes put together by hand from the format's description, and against
 * random and damaged headers. Does not touch files.
 */
import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { FormatError, InvalidConfigError } from "../errors.ts";
import {
  elementBytes,
  type FileDType,
  headerEnd,
  layoutFile,
  parseHeader,
  tensorBytes,
  type TensorSpec,
} from "./safetensors.ts";

/** A header of this JSON text, with its length in front. */
function headerOf(json: string): Uint8Array {
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + text.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

function entry(dtype: string, shape: number[], begin: number, end: number): string {
  return JSON.stringify({ dtype, shape, data_offsets: [begin, end] });
}

function refuses(json: string, dataBytes: number, message: RegExp): void {
  const bytes = headerOf(json);
  assert.throws(
    () => parseHeader(bytes, bytes.length + dataBytes),
    (error) => error instanceof FormatError && message.test(error.message),
  );
}

test("the example in the file's own description parses", () => {
  const json = '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}';
  const bytes = headerOf(json);
  assert.equal(bytes[0], 0x36);
  const header = parseHeader(bytes, bytes.length + 4);
  assert.deepEqual(
    [...header.tensors.values()],
    [{ name: "w", dtype: "F32", shape: [1], begin: 8 + json.length, end: 12 + json.length }],
  );
});

test("metadata, trailing spaces, scalars and empty tensors are read", () => {
  const json = `{"__metadata__":{"format":"pt"},"b":${entry("U8", [0, 5], 2, 2)},"a":${entry("BF16", [], 0, 2)}}   `;
  const bytes = headerOf(json);
  const header = parseHeader(bytes, bytes.length + 2);
  assert.deepEqual([...header.metadata], [["format", "pt"]]);
  assert.deepEqual([...header.tensors.keys()], ["a", "b"]);
  assert.equal(header.tensors.get("a")?.end, bytes.length + 2);
});

test("a header over 100 MB is refused before it is read", () => {
  const start = new Uint8Array(8);
  new DataView(start.buffer).setBigUint64(0, 100_000_001n, true);
  assert.throws(() => headerEnd(start, 2 ** 40), /100000001 bytes, at most 100000000/);
  new DataView(start.buffer).setBigUint64(0, 2n ** 64n - 1n, true);
  assert.throws(() => headerEnd(start, 2 ** 40), FormatError);
});

test("a file shorter than its header says is refused with both numbers", () => {
  const bytes = headerOf("{}");
  assert.throws(() => headerEnd(bytes, 9), /ends at byte 10, the file at byte 9/);
  assert.throws(() => headerEnd(bytes.subarray(0, 5), 5), /at least 8 bytes, got 5/);
});

test("what is not a JSON object in UTF-8 is refused", () => {
  refuses('["a"]', 0, /expected "\{" as its first byte, got 91/);
  refuses("", 0, /got nothing/);
  refuses('{"a":', 0, /not JSON/);
  refuses(' {"a":1}', 0, /first byte/);
  refuses('{"a":1}', 0, /tensor "a": expected an object, got 1/);
  const bytes = headerOf('{"a":1}');
  bytes[10] = 0xff;
  assert.throws(() => parseHeader(bytes, bytes.length), /not JSON/);
});

test("a name that occurs twice is refused, in whatever spelling", () => {
  const one = entry("U8", [1], 0, 1);
  refuses(`{"a":${one},"a":${one}}`, 1, /"a" occurs twice/);
  refuses(`{"a":${one},"\\u0061":${one}}`, 1, /"a" occurs twice/);
  refuses(
    '{"a":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,1]}}',
    1,
    /"dtype" occurs/,
  );
});

test("an unknown element type is refused with the ones that are known", () => {
  refuses(`{"a":${entry("F4", [1], 0, 1)}}`, 1, /tensor "a": element type "F4" .* F32, BF16/);
  refuses(`{"a":${entry("toString", [1], 0, 1)}}`, 1, /element type "toString" is unknown/);
});

test("a length that is not element size times shape is refused with both", () => {
  refuses(`{"a":${entry("F32", [2, 3], 0, 20)}}`, 20, /F32 \[2,3\] takes 24 bytes.*hold 20/);
  refuses(`{"a":${entry("F32", [1], 4, 0)}}`, 4, /hold -4/);
  refuses(`{"a":${entry("F32", [2 ** 40, 2 ** 40], 0, 8)}}`, 8, /takes too many bytes/);
});

test("shapes and offsets that are not whole numbers are refused", () => {
  refuses('{"a":{"dtype":"U8","shape":[1.5],"data_offsets":[0,1]}}', 1, /shape of whole numbers/);
  refuses('{"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}}', 1, /shape of whole numbers/);
  refuses('{"a":{"dtype":"U8","shape":"1","data_offsets":[0,1]}}', 1, /shape of whole numbers/);
  refuses('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}', 1, /two data_offsets/);
  refuses('{"a":{"dtype":"U8","shape":[1]}}', 1, /two data_offsets, got nothing/);
});

test("overlaps, holes, short and long files are refused with the tensor and the bytes", () => {
  const a = entry("U8", [4], 0, 4);
  refuses(`{"a":${a},"b":${entry("U8", [4], 3, 7)}}`, 7, /"b" begins .* they overlap/);
  refuses(`{"a":${a},"b":${entry("U8", [4], 5, 9)}}`, 9, /"b" begins .* a hole/);
  refuses(`{"b":${entry("U8", [4], 1, 5)}}`, 5, /the header ends at \d+: a hole/);
  refuses(`{"a":${a}}`, 3, /"a" ends at byte \d+ but the file at \d+: it is truncated/);
  refuses(`{"a":${a}}`, 6, /2 bytes belong to no tensor/);
});

test("metadata that is not text is refused", () => {
  refuses('{"__metadata__":{"a":1}}', 0, /"a": expected text, got 1/);
  refuses('{"__metadata__":[]}', 0, /expected an object/);
});

const f32Spec = (name: string, shape: number[]): TensorSpec => ({ name, dtype: "F32", shape });

test("names and shapes that no file can hold are refused before anything is written", () => {
  assert.throws(
    () => layoutFile([f32Spec("a", [1]), f32Spec("a", [2])]),
    /two tensors are called "a"/,
  );
  assert.throws(() => layoutFile([f32Spec("__metadata__", [1])]), InvalidConfigError);
  assert.throws(() => layoutFile([f32Spec("a", [-1])]), /no shape a file can hold/);
  assert.throws(() => layoutFile([f32Spec("a\ud800", [1])]), /not valid Unicode/);
});

const dtypes = Object.keys(elementBytes) as FileDType[];
const anySpec = fc.record({
  name: fc.string({ unit: "grapheme" }).filter((s) => s !== "__metadata__"),
  dtype: fc.constantFrom(...dtypes),
  shape: fc.array(fc.nat({ max: 5 }), { maxLength: 4 }),
});
const anySpecs = fc.uniqueArray(anySpec, { selector: (s) => s.name, maxLength: 12 });

test("any set of tensors comes back as it was laid out, aligned and without gaps", () => {
  fc.assert(
    fc.property(anySpecs, fc.dictionary(fc.string(), fc.string()), (specs, metadata) => {
      const { bytes, header } = layoutFile(specs, metadata);
      const read = parseHeader(bytes, header.fileBytes);
      assert.deepEqual(read.tensors, header.tensors);
      assert.deepEqual(new Map(read.metadata), new Map(Object.entries(metadata)));
      assert.equal(header.dataBegin % 8, 0);
      for (const spec of specs) {
        const span = read.tensors.get(spec.name)!;
        assert.equal(span.end - span.begin, tensorBytes(spec.dtype, spec.shape));
        assert.equal(span.begin % elementBytes[spec.dtype], 0);
        assert.deepEqual(span.shape, spec.shape);
      }
    }),
  );
});

test("the order in which tensors are given does not change the file", () => {
  fc.assert(
    fc.property(anySpecs, (specs) => {
      assert.deepEqual(layoutFile(specs.toReversed()).bytes, layoutFile(specs).bytes);
    }),
  );
});

test("any file cut short or with bytes behind it is refused", () => {
  fc.assert(
    fc.property(anySpecs, fc.nat(), fc.integer({ min: 1, max: 9 }), (specs, at, more) => {
      const { bytes, header } = layoutFile(specs);
      const cut = at % header.fileBytes;
      assert.throws(() => parseHeader(bytes.subarray(0, cut), cut), FormatError);
      assert.throws(() => parseHeader(bytes, header.fileBytes + more), FormatError);
    }),
  );
});

test("damaged headers either parse soundly or are refused as a format error", () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(anySpecs, damage, (specs, changes) => {
      const { bytes, header } = layoutFile(specs);
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      try {
        let at = -1;
        for (const span of parseHeader(bytes, header.fileBytes).tensors.values()) {
          assert.ok(at === -1 || span.begin === at);
          assert.equal(span.end - span.begin, tensorBytes(span.dtype, span.shape));
          at = span.end;
        }
        assert.ok(at === -1 || at === header.fileBytes);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});

test("any JSON as a header is refused as a format error or has no tensors", () => {
  fc.assert(
    fc.property(fc.json(), (json) => {
      const bytes = headerOf(json);
      try {
        assert.equal(parseHeader(bytes, bytes.length).tensors.size, 0);
      } catch (error) {
        assert.ok(error instanceof FormatError, String(error));
      }
    }),
    { numRuns: 1000 },
  );
});
