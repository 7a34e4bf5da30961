/** manifest.json: what is written comes back, and nothing else is believed. */
import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { FormatError } from "../errors.ts";
import { formatManifest, type Manifest, parseManifest, partBytesFor } from "./manifest.ts";

const manifest: Manifest = new Map([
  ["config.json", { bytes: 9, partBytes: 65536, sums: [0xe3069283] }],
  ["w.safetensors", { bytes: 65537, partBytes: 65536, sums: [0x8a9136aa, 0] }],
  ["7", { bytes: 0, partBytes: 65536, sums: [0] }],
]);

test("sizes and sums come back as they were written", () => {
  const text = formatManifest(manifest);
  const read = parseManifest(text, "manifest.json");
  assert.deepEqual(read.get("config.json"), { bytes: 9, partBytes: 9, sums: [0xe3069283] });
  assert.deepEqual(read.get("w.safetensors"), manifest.get("w.safetensors"));
  assert.equal(formatManifest(read), text);
  assert.ok(text.includes('"config.json": {"bytes":9,"crc32c":["e3069283"]}'), text);
});

test("a changed character is noticed, wherever it is", () => {
  const text = formatManifest(manifest);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.integer({ min: 32, max: 126 }), (at, code) => {
      const changed = text.slice(0, at) + String.fromCodePoint(code) + text.slice(at + 1);
      try {
        // White space between tokens is the only thing that may differ.
        assert.equal(formatManifest(parseManifest(changed, "m")), text);
      } catch (error) {
        assert.ok(error instanceof FormatError && /^m[ :]/.test(error.message), String(error));
      }
    }),
  );
});

test("checkpoints of the first version give sizes alone", () => {
  const read = parseManifest('{"version":1,"step":3,"files":{"state.json":22}}', "m");
  assert.deepEqual([...read], [["state.json", { bytes: 22, partBytes: 22, sums: undefined }]]);
});

test("what no writer of ours leaves is refused", () => {
  const listed = (file: unknown): string => JSON.stringify({ version: 1, files: { a: file } });
  const texts = [
    ["", "{", "null", "[]", '"a"', "{}", '{"version":3,"files":{}}', '{"version":2}'],
    ['{"version":1,"files":{"../a":1}}', '{"version":1,"files":[1]}', '{"version":2,"files":{}}'],
    [listed(-1), listed(1.5), listed("1"), listed(null), listed(1e300)],
  ].flat();
  for (const text of texts) assert.throws(() => parseManifest(text, "m"), FormatError, text);
});

test("a file of any size has at most 4,096 parts, and a small one has small parts", () => {
  assert.equal(partBytesFor(1), 65536);
  for (const bytes of [1e6, 1e9, 1e12, 1e15]) assert.ok(bytes / partBytesFor(bytes) <= 4096);
  assert.equal(partBytesFor(2 ** 28), 65536);
  assert.equal(partBytesFor(2 ** 28 + 1), 131_072);
});
