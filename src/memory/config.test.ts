import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { FormatError, InvalidConfigError } from "../errors.ts";
import {
  buildLayout,
  engramConfigToJson,
  hashConstants,
  memoryWidth,
  parseAddressConfig,
  parseEngramConfig,
} from "./index.ts";
import { checkHashConstants } from "./layout.ts";

const released = {
  engram_layer_ids: [1, 14],
  engram_num_embeddings: [384_006_168, 384_016_682],
  engram_max_ngram_size: 4,
  engram_vocab_size: 16_000_000,
  engram_n_heads: 8,
  engram_head_dim: 256,
  engram_pad_token_id: 2,
  engram_compressed_vocab_size: 99_092,
};

function without(key: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(released).filter(([name]) => name !== key));
}

test("the released keys are read, at the top and under text_config", () => {
  const expected = {
    layerIds: [1, 14],
    maxNgramSize: 4,
    numHeads: 8,
    headDim: 256,
    minBucketRows: [16_000_000, 16_000_000, 16_000_000],
    padTokenId: 2,
    compressedVocabSize: 99_092,
    seed: 0,
  };
  assert.deepEqual(parseEngramConfig({ model_type: "x", ...released }), expected);
  assert.deepEqual(
    parseEngramConfig({ image_token_id: 129_264, text_config: { hidden_size: 5120, ...released } }),
    expected,
  );
  assert.equal(memoryWidth(expected), 6144);
});

test("bases may be one number or one for each order, and the seed may be given", () => {
  const demo = {
    engram_layer_ids: [1, 15],
    engram_max_ngram_size: 3,
    engram_vocab_size: [646_400, 646_500],
    engram_n_heads: 8,
    engram_head_dim: 64,
    engram_pad_token_id: 2,
    engram_compressed_vocab_size: 1000,
    engram_seed: 42,
  };
  assert.deepEqual(parseEngramConfig(demo).minBucketRows, [646_400, 646_500]);
  assert.equal(parseEngramConfig(demo).seed, 42);
  assert.throws(
    () => parseEngramConfig({ ...demo, engram_vocab_size: [1, 2, 3] }),
    /engram_vocab_size.*has 2 orders \(2\.\.3\), the list has 3/,
  );
});

test("addressing alone does not need the row width", () => {
  assert.deepEqual(parseAddressConfig(without("engram_head_dim")).layerIds, [1, 14]);
  assert.throws(() => parseEngramConfig(without("engram_head_dim")), /lacks "engram_head_dim"/);
});

for (const key of Object.keys(released).filter((name) => name !== "engram_num_embeddings"))
  test(`a config without ${key} is refused by that name`, () => {
    assert.throws(
      () => parseEngramConfig(without(key)),
      (error) => error instanceof InvalidConfigError && error.message.includes(`lacks "${key}"`),
    );
  });

test("row counts that disagree with the primes are refused with both numbers", () => {
  assert.throws(
    () => parseEngramConfig({ ...released, engram_num_embeddings: [384_006_168, 384_016_683] }),
    /384016683 rows for layer 14.*sum to 384016682/,
  );
  assert.throws(
    () => parseEngramConfig({ ...released, engram_num_embeddings: [384_006_168] }),
    /2 engram layers, got 1/,
  );
  assert.deepEqual(
    parseEngramConfig(without("engram_num_embeddings")),
    parseEngramConfig(released),
  );
});

function refused(change: Record<string, unknown>, pattern: RegExp): void {
  assert.throws(
    () => parseEngramConfig({ ...released, ...change }),
    (error) => error instanceof InvalidConfigError && pattern.test(error.message),
  );
}

test("values of the wrong kind or size are refused with what came", () => {
  refused({ engram_max_ngram_size: 1 }, /engram_max_ngram_size.*2\.\.64, got 1/);
  refused({ engram_n_heads: "8" }, /engram_n_heads.*got "8"/);
  refused({ engram_layer_ids: [] }, /engram_layer_ids.*got \[\]/);
  refused({ engram_layer_ids: [3, 3] }, /layer 3 twice/);
  refused({ engram_layer_ids: [1.5] }, /engram_layer_ids\[0\].*got 1\.5/);
  refused({ engram_vocab_size: 2 ** 31 }, /2147483648/);
  refused({ engram_seed: -1 }, /engram_seed.*got -1/);
  refused({ engram_compressed_vocab_size: 0 }, /got 0/);
  refused({ engram_vocab_size: 200_000_000, engram_num_embeddings: null }, /4294967295 rows/);
  assert.throws(() => parseEngramConfig([]), /one JSON object, got \[\]/);
  assert.throws(() => parseEngramConfig({ hidden_size: 3 }), /no engram_\* key/);
});

test("any JSON parses or is refused as a configuration, never otherwise", () => {
  const keys = [...Object.keys(released), "engram_seed", "text_config"];
  const value = fc.oneof(
    fc.integer(),
    fc.double(),
    fc.array(fc.integer({ max: 50 })),
    fc.jsonValue(),
    fc.nat(40),
  );
  const config = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...keys), value));
  const mutated = fc
    .tuple(fc.constantFrom(...keys), value)
    .map(([key, changed]) => ({ ...released, [key]: changed }));
  fc.assert(
    fc.property(fc.oneof(config, mutated), (json) => {
      try {
        const parsed = parseEngramConfig(json);
        assert.ok(buildLayout(parsed).layers.length > 0);
      } catch (error) {
        assert.ok(error instanceof InvalidConfigError, String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test("a configuration written as JSON reads back the same", () => {
  const config = fc.record(
    {
      layerIds: fc.uniqueArray(fc.nat(60), { minLength: 1, maxLength: 4 }),
      maxNgramSize: fc.constant(3),
      numHeads: fc.integer({ min: 1, max: 5 }),
      headDim: fc.integer({ min: 1, max: 300 }),
      minBucketRows: fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 2, maxLength: 2 }),
      padTokenId: fc.nat(1000),
      compressedVocabSize: fc.integer({ min: 1, max: 200_000 }),
      seed: fc.nat(1000),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(config, (original) => {
      const json: unknown = JSON.parse(JSON.stringify(engramConfigToJson(original)));
      assert.deepEqual(parseEngramConfig(json), original);
    }),
  );
  assert.deepEqual(engramConfigToJson(parseEngramConfig(released)), {
    ...released,
    engram_seed: 0,
  });
});

test("stored hash constants are accepted back and refused when one digit differs", () => {
  const layout = buildLayout(parseEngramConfig(released));
  const stored = JSON.parse(JSON.stringify(hashConstants(layout)));
  checkHashConstants(layout, stored);
  assert.equal(stored[1].multipliers[3], "82619226485591");
  stored[1].multipliers[3] = "82619226485593";
  assert.throws(
    () => checkHashConstants(layout, stored),
    (error) =>
      error instanceof FormatError && /layer 14: "multipliers".*82619226485593/.test(error.message),
  );
  for (const bad of [null, [], {}, [null, null], [1, 2]])
    assert.throws(() => checkHashConstants(layout, bad), FormatError);
});

test("any stored JSON is these constants or refused as a format", () => {
  const layout = buildLayout({ ...parseEngramConfig(released), layerIds: [1] });
  fc.assert(
    fc.property(fc.jsonValue(), (stored) => {
      for (const value of [stored, [stored]])
        assert.throws(() => checkHashConstants(layout, value), FormatError);
    }),
  );
});

test("multipliers stay odd and below the bound for vocabularies of any size", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), fc.nat(1000), (vocabulary, seed) => {
      const config = { ...parseEngramConfig(released), compressedVocabSize: vocabulary, seed };
      for (const layer of buildLayout(config).layers)
        for (const multiplier of layer.multipliers) {
          assert.equal(multiplier % 2n, 1n);
          assert.ok(multiplier * BigInt(vocabulary) < 1n << 63n);
        }
    }),
    { numRuns: 30 },
  );
});
