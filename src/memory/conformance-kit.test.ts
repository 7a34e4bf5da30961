import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FormatError } from "../errors.ts";
import { decodeBf16, E4M3_VALUES, encodeBf16 } from "../numerics/index.ts";
import { buildConformanceKit, checkAgainstKit } from "./index.ts";
import { type ConformanceKit } from "./conformance-kit.ts";

const golden = JSON.parse(
  readFileSync(new URL("../../test/golden/engram-vectors.json", import.meta.url), "utf8"),
);
/** As another program sees it. */
const kit: ConformanceKit = JSON.parse(JSON.stringify(buildConformanceKit()));
const [v41, v1, tiny] = kit.addressing;

test("the kit's constants of V4.1 are the published ones", () => {
  for (const layer of v41!.layers) {
    const expected = golden.v41.layers[layer.layer];
    assert.deepEqual(layer.multipliers, expected.multipliers);
    assert.deepEqual(layer.primes, expected.primes.flat());
    assert.deepEqual(layer.offsets, expected.offsets.flat());
    assert.equal(layer.rows, expected.rows);
  }
});

test("the kit's rows are the published ones", () => {
  for (const name of ["A", "B"]) {
    const { compressed, rows } = golden.v41.cases[name];
    const found = v41!.sequences.find(
      ({ compressedIds }) => `${compressedIds}` === `${compressed}`,
    );
    for (const layer of ["1", "14"])
      assert.deepEqual(found!.rows[layer], rows[layer], `${name} ${layer}`);
  }
  assert.deepEqual(v1!.sequences[0]!.rows, golden.v1_demo.case_V1000_pad2.rows);
  assert.deepEqual(tiny!.sequences[0]!.rows, golden.tiny.case.rows);
});

test("the kit's FP8 values are code times scale, rounded to bfloat16", () => {
  for (const { name, bytes, decoded } of kit.rowFormats.filter((c) => c.values === undefined)) {
    const scale = Number.parseInt(bytes.slice(-2), 16);
    for (const [code, hex] of decoded.entries()) {
      const factor = scale === 255 ? NaN : 2 ** (scale - 127);
      const expected = decodeBf16(encodeBf16(Math.fround(E4M3_VALUES[code]! * factor)));
      const found = new Float32Array(Uint32Array.of(Number.parseInt(hex, 16)).buffer)[0];
      assert.ok(Object.is(found, expected), `${name}, code ${code}: ${found}, not ${expected}`);
    }
  }
});

test("a document that agrees is told so, and parts may be left out", () => {
  const whole = checkAgainstKit(kit);
  assert.deepEqual([whole.differences, whole.missing], [[], []]);
  assert.ok(whole.compared > 4000);
  const part = checkAgainstKit({ version: 1, addressing: [tiny] });
  assert.deepEqual(part.differences, []);
  assert.deepEqual(part.missing, [
    'addressing["deepseek-v4.1"]',
    'addressing["v1-demo, 1000 compressed ids"]',
    "rowFormats",
  ]);
});

test("every difference is found and said where", () => {
  // By text, as a wrong program would write it: a multiplier as a number, a row, a value too few.
  const text = JSON.stringify(kit)
    .replace('"30921347202721"', "30921347202721")
    .replace(`[${v1!.sequences[0]!.rows["15"]![3]!.join()}]`, (row) => row.replace(/.\]$/, "0]"))
    .replace(`"${kit.rowFormats[0]!.decoded.at(-1)}"]`, "]")
    .replace(",]", "]");
  const { differences } = checkAgainstKit(JSON.parse(text));
  assert.equal(differences.length, 3);
  assert.match(
    differences[0]!,
    /v4\.1"\]\.layers\[1\]\.multipliers\[2\]: expected "30921347202721", got 309/,
  );
  assert.match(differences[1]!, /rows\.15\[3\]\[15\]: expected \d+, got \d+/);
  assert.match(differences[2]!, /expected 40 entries, got 39/);
});

test("a document of another kind is refused", () => {
  for (const other of [{}, [], null, 5, { version: 1 }, { layers: [] }])
    assert.throws(() => checkAgainstKit(other), FormatError);
});
