import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { smallEngram } from "../../test/models/random-model.ts";
import { buildAddressing, buildLayout, type EngramConfig, rowsForIds } from "../memory/index.ts";
import {
  expectedDistinctRows,
  expectedSharedNgrams,
  NgramCollisions,
  ngramsBehind,
} from "./index.ts";

const config: EngramConfig = {
  ...smallEngram,
  layerIds: [0, 2],
  maxNgramSize: 4,
  minBucketRows: [31, 53, 40],
};
const addressing = buildAddressing(buildLayout(config), 0);

/** Every n-gram spelled out, every row from the command that prints rows. */
function spelledOut(texts: readonly (readonly number[])[]) {
  const { layerIds, maxNgramSize, numHeads } = config;
  const found = new Map<string, Map<number, Set<string>>>();
  for (const ids of texts) {
    const { layers } = rowsForIds({ config, compressedIds: ids });
    for (const layer of layerIds)
      for (const [t, rows] of layers[layer]!.entries())
        for (let order = 2; order <= maxNgramSize; order++)
          for (let head = 0; head < numHeads; head++) {
            const spelling: number[] = [];
            for (let back = 0; back < order; back++) {
              const isBlocked = back > t || ids.slice(t - back, t + 1).includes(-1);
              spelling.push(isBlocked ? 0 : ids[t - back]!);
            }
            const row = rows[(order - 2) * numHeads + head]!;
            const bucket = `${layer} ${order} ${head}`;
            if (!found.has(bucket)) found.set(bucket, new Map());
            const takers = found.get(bucket)!;
            if (!takers.has(row)) takers.set(row, new Set());
            takers.get(row)!.add(spelling.join(" "));
          }
  }
  return found;
}

test("n-grams, rows and shared rows are what spelling every n-gram out gives", () => {
  const text = fc.array(fc.integer({ min: -1, max: 19 }), { maxLength: 60 });
  fc.assert(
    fc.property(fc.array(text, { maxLength: 5 }), (texts) => {
      const collisions = new NgramCollisions(addressing);
      for (const ids of texts) collisions.add(Int32Array.from(ids));
      const report = collisions.report();
      const expected = spelledOut(texts);
      assert.equal(report.tokens, texts.flat().length);
      assert.equal(report.isFull, false);
      assert.equal(report.buckets.length, 2 * 3 * 2);
      for (const { layer, order, head, ngrams, distinctRows, sharedNgrams } of report.buckets) {
        const takers = expected.get(`${layer} ${order} ${head}`) ?? new Map<number, Set<string>>();
        const sizes = [...takers.values()].map((set) => set.size);
        assert.equal(distinctRows, takers.size);
        assert.equal(
          ngrams,
          sizes.reduce((a, b) => a + b, 0),
        );
        assert.equal(
          sharedNgrams,
          sizes.filter((size) => size > 1).reduce((a, b) => a + b, 0),
        );
      }
    }),
    { numRuns: 60 },
  );
});

test("a text counts the same in pieces of any length as in one", () => {
  const ids = fc.array(fc.integer({ min: -1, max: 19 }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(ids, fc.array(fc.nat({ max: 60 }), { maxLength: 6 }), (text, cuts) => {
      const whole = new NgramCollisions(addressing);
      whole.add(Int32Array.from(text));
      const inPieces = new NgramCollisions(addressing);
      let at = 0;
      for (const cut of [...cuts.toSorted((a, b) => a - b), 60]) {
        inPieces.add(Int32Array.from(text.slice(at, cut)), { isContinued: at > 0 });
        at = cut;
      }
      assert.deepEqual(inPieces.report(), whole.report());
    }),
  );
});

test("the expectations are the means over every way to throw balls into bins", () => {
  for (const [balls, bins] of [
    [0, 3],
    [1, 3],
    [4, 3],
    [5, 2],
  ] as const) {
    const ways = bins ** balls;
    let distinct = 0;
    let shared = 0;
    for (let way = 0; way < ways; way++) {
      const counts = Array.from({ length: bins }, () => 0);
      for (let ball = 0, rest = way; ball < balls; ball++, rest = Math.floor(rest / bins))
        counts[rest % bins]!++;
      distinct += counts.filter((count) => count > 0).length;
      shared += counts.filter((count) => count > 1).reduce((a, b) => a + b, 0);
    }
    assert.ok(Math.abs(expectedDistinctRows(balls, bins) - distinct / ways) < 1e-9);
    assert.ok(Math.abs(expectedSharedNgrams(balls, bins) - shared / ways) < 1e-9);
  }
  assert.ok(Math.abs(ngramsBehind(expectedDistinctRows(700, 1009), 1009) - 700) < 1e-6);
  assert.equal(ngramsBehind(10, 10), Infinity);
});

test("measured collisions of random ids lie near the expected ones", () => {
  const { compressedVocabSize } = config;
  const big = buildAddressing(buildLayout({ ...config, minBucketRows: [401, 2003, 9001] }), 0);
  const collisions = new NgramCollisions(big);
  let state = 1;
  const ids = Int32Array.from({ length: 20_000 }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * compressedVocabSize);
  });
  collisions.add(ids);
  for (const bucket of collisions.report().buckets) {
    const { distinctRows, expectedDistinctRows: expected, rows } = bucket;
    // Throwing balls spreads by less than half the root of the number of bins.
    assert.ok(Math.abs(distinctRows - expected) < 5 * Math.sqrt(rows), JSON.stringify(bucket));
  }
});

test("beyond its limit it counts no new n-grams, says so, and keeps what it had", () => {
  const collisions = new NgramCollisions(addressing, { maxNgrams: 5 });
  collisions.add(Int32Array.from([1, 2, 3, 4]));
  assert.equal(collisions.report().isFull, false);
  collisions.add(Int32Array.from({ length: 19 }, (_, i) => i));
  const { isFull, tokens, buckets } = collisions.report();
  assert.deepEqual([isFull, tokens], [true, 23]);
  for (const { ngrams, distinctRows } of buckets) {
    assert.ok(ngrams <= 5);
    assert.ok(distinctRows <= 5 && distinctRows > 0);
  }
});
