/** The published and computed vectors of the specification: constants and rows, end to end. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { buildLayout, parseAddressConfig, rowsForIds } from "./index.ts";
import { type AddressConfig } from "./config.ts";

const vectors = JSON.parse(
  readFileSync(new URL("../../test/golden/engram-vectors.json", import.meta.url), "utf8"),
);

const v41: AddressConfig = {
  layerIds: [1, 14],
  maxNgramSize: 4,
  numHeads: 8,
  minBucketRows: [16_000_000, 16_000_000, 16_000_000],
  padTokenId: 2,
  compressedVocabSize: 99_092,
  seed: 0,
};
const v1: AddressConfig = {
  layerIds: [1, 15],
  maxNgramSize: 3,
  numHeads: 8,
  minBucketRows: [646_400, 646_400],
  padTokenId: 2,
  compressedVocabSize: 1000,
  seed: 0,
};
const tiny: AddressConfig = {
  layerIds: [1, 2],
  maxNgramSize: 3,
  numHeads: 3,
  minBucketRows: [11, 13],
  padTokenId: 2,
  compressedVocabSize: 16,
  seed: 0,
};

/** SHA-256 over int64 little-endian values, the form in which the specification gives digests. */
function digest(values: readonly (number | bigint)[]): string {
  const words = new BigInt64Array(values.map((value) => BigInt(value)));
  return createHash("sha256").update(new Uint8Array(words.buffer)).digest("hex");
}

/** Rows in the order of the digests: position, then layer, then column. */
function inDigestOrder(layers: Record<string, number[][]>, positions: number): number[] {
  return Array.from({ length: positions }, (_, t) =>
    Object.values(layers).flatMap((rows) => rows[t]!),
  ).flat();
}

test("the layout of V4.1 has the released multipliers, primes, offsets and row counts", () => {
  const { layers } = buildLayout(v41);
  for (const layer of layers) {
    const golden = vectors.v41.layers[layer.layerId];
    assert.deepEqual(layer.multipliers.map(String), golden.multipliers);
    assert.deepEqual(layer.primes, golden.primes.flat());
    assert.deepEqual(layer.offsets, golden.offsets);
    assert.equal(layer.numRows, golden.rows);
  }
  assert.equal(
    digest(layers.flatMap((layer) => layer.multipliers)),
    "7345f44ec93e965df6581af59c78a5dd6efba7be2e855486450a6594d7ebd7c6",
  );
  assert.equal(
    digest(layers.flatMap((layer) => layer.primes)),
    "ed542f58c4b3593c4120e899620231785b695dfc61bcc3d04b61b113abd9cf9e",
  );
  assert.equal(
    digest(layers.flatMap((layer) => layer.offsets)),
    "edf229962df441c86f9c20cbc126579dd548421e231250b146ee6f5bea0b2f8b",
  );
});

test("the layout of the v1 demo has its primes, row counts and multipliers for every vocabulary", () => {
  const golden = vectors.v1_demo;
  for (const [vocabulary, mult] of Object.entries<Record<string, { multipliers: string[] }>>(
    golden.mult,
  )) {
    const { layers } = buildLayout({ ...v1, compressedVocabSize: Number(vocabulary) });
    for (const layer of layers) {
      assert.deepEqual(layer.multipliers.map(String), mult[layer.layerId]!.multipliers);
      assert.deepEqual(layer.primes, golden.primes[layer.layerId].flat());
      assert.equal(layer.numRows, golden.rows[layer.layerId]);
    }
  }
  assert.equal(
    digest(buildLayout(v1).layers.flatMap((layer) => layer.primes)),
    "435a67319ac5e6996f830342d461142a97ae2cd923879ba3f2d7d798d85b2d59",
  );
});

test("bases that differ by order share one set of used primes", () => {
  for (const layer of buildLayout(tiny).layers) {
    assert.deepEqual(layer.primes, vectors.tiny.primes[layer.layerId].flat());
    assert.deepEqual(layer.multipliers.map(String), vectors.tiny.mult[layer.layerId].multipliers);
  }
});

test("the paper's table sizes come out, whatever the layer ids", () => {
  for (const [name, golden] of Object.entries<{
    first: number[];
    last: number[];
    rows: Record<string, number>;
  }>(vectors.paper)) {
    const base = name.startsWith("27B") ? 2_262_400 : 7_239_680;
    const layerIds = JSON.parse(name.slice(4)) as number[];
    const { layers } = buildLayout({ ...v1, minBucketRows: [base, base], layerIds });
    const primes = layers.flatMap((layer) => layer.primes);
    assert.deepEqual(primes.slice(0, 3), golden.first);
    assert.deepEqual(primes.slice(-3), golden.last);
    assert.deepEqual(
      Object.fromEntries(layers.map((layer) => [layer.layerId, layer.numRows])),
      golden.rows,
    );
  }
});

for (const name of ["A", "B"])
  test(`V4.1 case ${name} gives its rows`, () => {
    const golden = vectors.v41.cases[name];
    const { layers } = rowsForIds({ config: v41, compressedIds: golden.compressed });
    assert.deepEqual(layers, golden.rows);
  });

test("V4.1 digests over rows are the published ones", () => {
  const caseA = rowsForIds({ config: v41, compressedIds: [3, 99_091, 2, 77, 77, 1024, 5] }).layers;
  assert.equal(
    digest(inDigestOrder(caseA, 7)),
    "b409016437bc1f8ea3b1762be7f95f2ae36235ab49a2353240972ba0090059c2",
  );
  const { layers } = rowsForIds({ config: v41, compressedIds: [0, 3, 15] });
  const first = layers["1"]!;
  const second = layers["14"]!;
  assert.equal(
    digest(first.slice(0, 2).flat()),
    "8e0187ea859a7db65517a540eb5210457ec907fd0b2f44042d830366cbedbda5",
  );
  assert.equal(
    digest(second.slice(0, 2).flat()),
    "33e046238287e6e8b7c3466bdb4b7b47182ad19f9115afac8a1983ede219ba80",
  );
  assert.equal(
    digest(first[2]!),
    "4eb8fc730c0e52176b64a388dcfcb7bb29c5ac6ee619c93efd218eef5a6df373",
  );
  assert.equal(
    digest(second[2]!),
    "5d93f09bfecb5b8a3a722603bb5e1cd44710849cc4729223df92953386bf3ad7",
  );
  assert.equal(
    digest([...first[2]!, ...second[2]!]),
    "09c32d336e7a23d61ff9ac94674cb30039857eeeb3df82cf475157685d76c530",
  );
});

test("the v1 demo layout gives its rows at a toy vocabulary, multipliers above 2^53 included", () => {
  const golden = vectors.v1_demo.case_V1000_pad2;
  const { layers } = rowsForIds({ config: v1, compressedIds: golden.compressed });
  assert.deepEqual(layers, golden.rows);
  assert.equal(
    digest(inDigestOrder(layers, golden.compressed.length)),
    "2b71e24341dabe3431750e1726d43abc5d3438d80abfd77fd098c6fbd7896819",
  );
});

test("the tiny configuration gives its rows, multipliers near 2^59 included", () => {
  const { case: golden } = vectors.tiny;
  assert.deepEqual(
    rowsForIds({ config: tiny, compressedIds: golden.compressed }).layers,
    golden.rows,
  );
});

interface AddressCase {
  readonly config: Record<string, unknown>;
  readonly ids: number[];
  readonly multipliers: Record<string, string[]>;
  readonly rows: Record<string, number[][]>;
}

test("any configuration gives the multipliers and rows that NumPy gives", () => {
  const golden = new URL("../../test/golden/addresses.json", import.meta.url);
  const { cases } = JSON.parse(readFileSync(golden, "utf8")) as { cases: AddressCase[] };
  assert.equal(cases.length, 60);
  for (const { config: json, ids, multipliers, rows } of cases) {
    const config = parseAddressConfig(json);
    for (const layer of buildLayout(config).layers)
      assert.deepEqual(layer.multipliers.map(String), multipliers[layer.layerId]);
    assert.deepEqual(
      rowsForIds({ config, compressedIds: ids }).layers,
      rows,
      JSON.stringify({ json, ids }),
    );
  }
});
