import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { InvalidConfigError, RequestError } from "../errors.ts";
import { UnusedPrimes } from "../numerics/index.ts";
import { DEAD, type LayerLayout } from "./index.ts";
import { buildHashPlan, checkCompressedIds, hashRange } from "./hash.ts";

interface Oracle {
  readonly multipliers: readonly bigint[];
  readonly primes: readonly number[];
  readonly offsets: readonly number[];
  readonly numHeads: number;
  readonly pad: number;
}

/** The formula word by word in BigInt, as NumPy computes it in int64 (products never wrap). */
function oracleRows(
  ids: readonly number[],
  t: number,
  starts: readonly number[],
  o: Oracle,
): number[] {
  const rows: number[] = [];
  let blocked = false;
  let mix = 0n;
  for (const [i, multiplier] of o.multipliers.entries()) {
    blocked ||= t - i < 0 || ids[t - i] === DEAD || (i > 0 && starts[t - i + 1] === 1);
    const product = BigInt(blocked ? o.pad : ids[t - i]!) * multiplier;
    assert.ok(product < 1n << 63n);
    mix ^= product;
    if (i === 0) continue;
    for (let head = 0; head < o.numHeads; head++) {
      const column = (i - 1) * o.numHeads + head;
      rows.push(Number(mix % BigInt(o.primes[column]!)) + o.offsets[column]!);
    }
  }
  return rows;
}

const anyPrime = fc
  .oneof(
    fc.integer({ min: 1, max: 2 ** 31 - 2 }),
    fc.integer({ min: 1, max: 100 }),
    fc.integer({ min: 2 ** 31 - 5000, max: 2 ** 31 - 2 }),
  )
  .map((n) => new UnusedPrimes().takeAbove(n));

/** A layer with multipliers up to the very limit of its vocabulary, and ids that reach it. */
const anyCase = fc
  .record({
    vocabulary: fc.oneof(
      fc.integer({ min: 1, max: 2 ** 31 }),
      fc.integer({ min: 1, max: 200_000 }),
      fc.constant(2 ** 31),
      fc.constant(1),
    ),
    maxNgramSize: fc.integer({ min: 2, max: 6 }),
    numHeads: fc.integer({ min: 1, max: 4 }),
  })
  .chain(({ vocabulary, maxNgramSize, numHeads }) => {
    const limit = ((1n << 63n) - 1n) / BigInt(vocabulary);
    const id = fc.oneof(
      fc.nat(vocabulary - 1),
      fc.constantFrom(DEAD, 0, vocabulary - 1, Math.max(0, vocabulary - 2)),
    );
    const columns = (maxNgramSize - 1) * numHeads;
    return fc.record({
      vocabulary: fc.constant(vocabulary),
      numHeads: fc.constant(numHeads),
      multipliers: fc.array(
        fc.oneof(fc.bigInt({ min: 1n, max: limit }), fc.constantFrom(limit, 1n)),
        { minLength: maxNgramSize, maxLength: maxNgramSize },
      ),
      primes: fc.array(anyPrime, { minLength: columns, maxLength: columns }),
      ids: fc.array(id, { minLength: 1, maxLength: 12 }),
      pad: fc.nat(vocabulary - 1),
      startBits: fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 12, maxLength: 12 }),
    });
  });

function layerOf(multipliers: readonly bigint[], primes: readonly number[]): LayerLayout {
  // Offsets need not be true prefix sums here: sums of the largest primes would not fit 32 bits.
  const offsets = primes.map((_, c) => c * 1009);
  return { layerId: 1, multipliers, primes, offsets, numRows: 2 ** 32 - 1 };
}

test("rows equal the BigInt formula for any multipliers, ids, primes, pads and boundaries", () => {
  fc.assert(
    fc.property(anyCase, ({ vocabulary, numHeads, multipliers, primes, ids, pad, startBits }) => {
      const layer = layerOf(multipliers, primes);
      const plan = buildHashPlan(layer, { numHeads, compressedVocabSize: vocabulary });
      const out = new Uint32Array(ids.length * plan.numColumns);
      hashRange(plan, Int32Array.from(ids), {
        from: 0,
        to: ids.length,
        pad,
        starts: Uint8Array.from(startBits),
        out,
      });
      const oracle = { multipliers, primes, offsets: layer.offsets, numHeads, pad };
      const expected = ids.flatMap((_, t) => oracleRows(ids, t, startBits, oracle));
      assert.deepEqual([...out], expected);
    }),
    { numRuns: 3000 },
  );
});

test("remainders are exact around multiples of the prime, where a rounded quotient would slip", () => {
  fc.assert(
    fc.property(
      anyPrime,
      fc.integer({ min: 0, max: 2 ** 20 }),
      fc.constantFrom(-1, 0, 1),
      (prime, factor, delta) => {
        const quotient = BigInt(factor) * ((1n << 62n) / BigInt(prime) / (1n << 20n));
        const target = quotient * BigInt(prime) + BigInt(delta);
        fc.pre(target > 0n && target < 1n << 63n);
        // With id 1 and pad 0 the mix is the first multiplier itself.
        const layer = layerOf([target, 1n], [prime]);
        const plan = buildHashPlan(layer, { numHeads: 1, compressedVocabSize: 1 });
        const out = new Uint32Array(1);
        hashRange(plan, Int32Array.of(1), { from: 0, to: 1, pad: 0, out });
        assert.equal(out[0], Number(target % BigInt(prime)));
      },
    ),
    { numRuns: 3000 },
  );
});

test("a range hashes only its positions but looks back before them", () => {
  const layer = layerOf([7n, 11n, 13n], [101, 103]);
  const plan = buildHashPlan(layer, { numHeads: 1, compressedVocabSize: 50 });
  const ids = Int32Array.of(3, 9, 27, 31, 49);
  const whole = new Uint32Array(10);
  hashRange(plan, ids, { from: 0, to: 5, pad: 2, out: whole });
  const part = new Uint32Array(7).fill(77);
  hashRange(plan, ids, { from: 2, to: 4, pad: 2, out: part, outOffset: 1 });
  assert.deepEqual([...part], [77, ...whole.subarray(4, 8), 77, 77]);
});

test("DEAD blocks everything beyond it, and its own position hashes as pad throughout", () => {
  const layer = layerOf([7n, 11n, 13n], [1009, 1013]);
  const plan = buildHashPlan(layer, { numHeads: 1, compressedVocabSize: 50 });
  const rows = (...ids: number[]): number[] => {
    const out = new Uint32Array(2 * ids.length);
    hashRange(plan, Int32Array.from(ids), { from: 0, to: ids.length, pad: 2, out });
    return [...out.subarray(-2)];
  };
  assert.deepEqual(rows(5, DEAD, 9), rows(9));
  assert.deepEqual(rows(5, 8, DEAD), rows(DEAD));
  assert.deepEqual(rows(DEAD), rows(2));
  assert.notDeepEqual(rows(5, 8, 9), rows(DEAD, 8, 9));
});

test("constants outside the proof's domain are refused with the numbers", () => {
  const build = (multiplier: bigint, prime: number, vocabulary: number) => () =>
    buildHashPlan(layerOf([multiplier, 1n], [prime]), {
      numHeads: 1,
      compressedVocabSize: vocabulary,
    });
  assert.throws(build((1n << 63n) / 10n + 1n, 11, 10), InvalidConfigError);
  assert.throws(build(0n, 11, 10), /multiplier 0/);
  assert.throws(build(3n, 2 ** 31, 10), /2147483648/);
  assert.throws(build(3n, 11, 2 ** 31 + 1), /2147483649/);
  assert.throws(
    () => buildHashPlan(layerOf([1n, 1n], [11, 13]), { numHeads: 1, compressedVocabSize: 4 }),
    /need 1 primes.*got 2/,
  );
});

test("ids that are neither DEAD nor compressed ids are refused with their position", () => {
  checkCompressedIds([DEAD, 0, 9], 10);
  for (const bad of [10, -2, 0.5, NaN])
    assert.throws(
      () => checkCompressedIds([1, bad], 10),
      (error) => error instanceof RequestError && error.message.includes(`${bad} at position 1`),
    );
});
