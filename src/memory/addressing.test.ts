import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { InvalidConfigError, RequestError, ShapeError } from "../errors.ts";
import { addressBatch, buildAddressing, buildLayout, DEAD, rowsForIds } from "./index.ts";
import { type AddressConfig } from "./config.ts";

const config: AddressConfig = {
  layerIds: [1, 3],
  maxNgramSize: 3,
  numHeads: 2,
  minBucketRows: [500, 700],
  padTokenId: 4,
  compressedVocabSize: 100,
  seed: 0,
};
const addressing = buildAddressing(buildLayout(config), 4);

function refused(pattern: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof RequestError && pattern.test(error.message);
}

test("packed documents get the rows they would get alone", () => {
  const text = fc.array(fc.nat(99), { minLength: 1, maxLength: 6 });
  const sequence = fc.array(text, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(sequence, { minLength: 1, maxLength: 3 }), (sequences) => {
      const T = Math.max(...sequences.map((documents) => documents.flat().length));
      const ids = new Int32Array(sequences.length * T);
      const starts = new Uint8Array(ids.length);
      for (const [b, documents] of sequences.entries()) {
        let at = b * T;
        for (const document of documents) {
          starts[at] = 1;
          ids.set(document, at);
          at += document.length;
        }
        // What fills up the sequence is a document of its own.
        if (at < (b + 1) * T) starts[at] = 1;
      }
      const rows = addressBatch(addressing, ids, { sequenceLength: T, starts_BT: starts });
      for (const [layer, layerId] of config.layerIds.entries())
        for (const [b, documents] of sequences.entries()) {
          const alone = documents.flatMap((document) =>
            rowsForIds({ config, compressedIds: document }).layers[layerId]!.flat(),
          );
          assert.deepEqual([...rows[layer]!.subarray(b * T * 4, b * T * 4 + alone.length)], alone);
        }
    }),
  );
});

test("sequences of a batch do not see each other even without start flags", () => {
  const [rows] = addressBatch(addressing, Int32Array.of(1, 2, 3, 1, 2, 3), { sequenceLength: 3 });
  assert.deepEqual([...rows!.subarray(0, 12)], [...rows!.subarray(12)]);
});

test("rows can be put into given arrays, larger ones too", () => {
  const out = [new Uint32Array(20), new Uint32Array(12)];
  const rows = addressBatch(addressing, Int32Array.of(1, 2, 3), { sequenceLength: 3, out });
  assert.equal(rows[0], out[0]);
  assert.deepEqual(
    [...out[0]!.subarray(0, 12)],
    rowsForIds({ config, compressedIds: [1, 2, 3] }).layers["1"]!.flat(),
  );
  assert.throws(
    () =>
      addressBatch(addressing, Int32Array.of(1), { sequenceLength: 1, out: [new Uint32Array(3)] }),
    (error) => error instanceof ShapeError && /4 row ids.*3/.test(error.message),
  );
});

test("raw ids go through the token map, and so does the pad token", () => {
  const tokenMap = {
    map: Int32Array.from({ length: 150 }, (_, id) => id % 100),
    compressedVocabSize: 100,
  };
  const raw = { ...config, padTokenId: 104 };
  assert.deepEqual(
    rowsForIds({ config: raw, ids: [101, 2, 149], tokenMap }),
    rowsForIds({ config, compressedIds: [1, 2, 49] }),
  );
});

test("a text of no tokens has no rows", () => {
  assert.deepEqual(rowsForIds({ config, compressedIds: [] }).layers, { 1: [], 3: [] });
});

test("a token map of another size is refused and told what it would do", () => {
  const tokenMap = { map: Int32Array.of(0, 1, 2), compressedVocabSize: 3 };
  assert.throws(
    () => rowsForIds({ config, ids: [1], tokenMap }),
    (error) =>
      error instanceof InvalidConfigError &&
      /100.*3 ids; every address would change/.test(error.message),
  );
});

test("ids and pads outside the vocabulary are refused with the numbers", () => {
  const tokenMap = {
    map: Int32Array.from({ length: 100 }, (_, id) => id),
    compressedVocabSize: 100,
  };
  assert.throws(
    () => rowsForIds({ config, compressedIds: [5, 100] }),
    refused(/100 at position 1.*0\.\.99/),
  );
  assert.throws(() => rowsForIds({ config, compressedIds: [-2] }), refused(/-2 at position 0/));
  assert.throws(
    () => rowsForIds({ config, compressedIds: [4_294_967_296] }),
    refused(/4294967296/),
  );
  assert.throws(
    () => rowsForIds({ config, ids: [100], tokenMap }),
    refused(/100 at position 0.*0\.\.99/),
  );
  assert.throws(() => rowsForIds({ config, ids: [DEAD], tokenMap }), refused(/-1 at position 0/));
  assert.throws(
    () => rowsForIds({ config: { ...config, padTokenId: 100 }, compressedIds: [1] }),
    (error) =>
      error instanceof InvalidConfigError &&
      /100 is outside 0\.\.99; give raw ids/.test(error.message),
  );
});

test("arrays that are not whole sequences are refused", () => {
  const ids = new Int32Array(7);
  assert.throws(() => addressBatch(addressing, ids, { sequenceLength: 3 }), /7 ids.*length 3/);
  assert.throws(
    () => addressBatch(addressing, ids, { sequenceLength: 7, starts_BT: new Uint8Array(6) }),
    /7 ids.*got 6/,
  );
});
