import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { isPrime, UnusedPrimes } from "./index.ts";

const nextPrime = (n: number): number => new UnusedPrimes().takeAbove(n);

/** The second way: Eratosthenes. */
function sieve(limit: number): Uint8Array {
  const composite = new Uint8Array(limit);
  composite.fill(1, 0, 2);
  for (let i = 2; i * i < limit; i++)
    if (composite[i] === 0) for (let j = i * i; j < limit; j += i) composite[j] = 1;
  return composite;
}

/** The second way for large numbers: trial division. */
function hasNoDivisor(n: number): boolean {
  for (let d = 3; d * d <= n; d += 2) if (n % d === 0) return false;
  return n % 2 === 1;
}

test("below 200,000 the primes are those of the sieve", () => {
  const composite = sieve(200_000);
  for (let n = 0; n < composite.length; n++) assert.equal(isPrime(n), composite[n] === 0, `${n}`);
});

test("around 2^26, 2^31 and 2^32, where the arithmetic changes, trial division agrees", () => {
  for (const centre of [2 ** 26, 2 ** 31, 3_215_031_751, 2 ** 32])
    for (let n = centre - 60; n <= centre + 60; n++)
      assert.equal(isPrime(n), hasNoDivisor(n), `${n}`);
});

test("strong pseudoprimes to the small bases are not taken for primes", () => {
  // Pomerance, Selfridge and Wagstaff; Jaeschke: composite, but liars exist for the leading bases.
  for (const n of [
    2047, 1_373_653, 25_326_001, 3_215_031_751, 2_152_302_898_747, 3_474_749_660_383,
  ])
    assert.equal(isPrime(n), false, `${n}`);
  assert.equal(isPrime(341_550_071_728_321), false);
  assert.equal(isPrime(561), false);
});

test("the largest primes below 2^53 are found", () => {
  // 2^53 - 111 is the largest prime below 2^53 (OEIS A013603: 2^53 - a(53), a(53) = 111).
  assert.equal(isPrime(2 ** 53 - 111), true);
  assert.equal(nextPrime(2 ** 53 - 200) <= 2 ** 53 - 111, true);
  for (let n = 2 ** 53 - 110; n < 2 ** 53; n++) assert.equal(isPrime(n), false, `${n}`);
});

test("a product of two primes is never prime", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 94_000_000 }),
      fc.integer({ min: 2, max: 94_000_000 }),
      (a, b) => {
        assert.equal(isPrime(nextPrime(a) * nextPrime(b)), false);
      },
    ),
    { numRuns: 200 },
  );
});

test("the next prime is above its argument", () => {
  assert.equal(nextPrime(-5), 2);
  assert.equal(nextPrime(1), 2);
  assert.equal(nextPrime(2), 3);
  assert.equal(nextPrime(15_999_999), 16_000_057);
});

test("unused primes are the smallest of a sieve that were not taken", () => {
  const composite = sieve(5000);
  fc.assert(
    fc.property(
      fc.array(fc.record({ above: fc.integer({ min: -2, max: 900 }), count: fc.nat(20) })),
      (runs) => {
        const unused = new UnusedPrimes();
        const taken = new Set<number>();
        for (const { above, count } of runs)
          for (let i = 0, last = above; i < count; i++) {
            let expected = Math.max(0, last + 1);
            while (composite[expected] === 1 || taken.has(expected)) expected++;
            last = unused.takeAbove(last);
            assert.equal(last, expected);
            taken.add(last);
          }
      },
    ),
  );
});

test("numbers that a double cannot hold are refused", () => {
  assert.throws(() => isPrime(2 ** 53), /below 2\^53, got 9007199254740992/);
  assert.throws(() => isPrime(2.5), /2\.5/);
});
