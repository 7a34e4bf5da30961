/**
 * Prime numbers below 2^53, decided with certainty: trial division, then Miller-Rabin with bases for which it is
 * proven that no composite in the range passes. Knows nothing of tables or buckets.
 */
import { InvalidConfigError } from "../errors.ts";

/**
 * The first 4 bases are sufficient below 3,215,031,751 (Jaeschke 1993), the first 12 below
 * 3.18e23 (Sorenson and Webster 2015).
 */
const BASES = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37] as const;
const FOUR_BASES_LIMIT = 3_215_031_751;

export function isPrime(n: number): boolean {
  if (!Number.isSafeInteger(n))
    throw new InvalidConfigError(`primality is decided for integers below 2^53, got ${n}`);
  if (n < 2) return false;
  for (const base of BASES) if (n % base === 0) return n === base;
  if (n < 41 * 41) return true;

  let odd = n - 1;
  let twos = 0;
  while (odd % 2 === 0) {
    odd /= 2;
    twos++;
  }
  const multiply = mulModulo(n);
  const bases = n < FOUR_BASES_LIMIT ? BASES.slice(0, 4) : BASES;
  return bases.every((base) => passes(base, { n, odd, twos, multiply }));
}

/** Returns each prime only once. A search does not repeat the tests of earlier searches. */
export class UnusedPrimes {
  readonly #used = new Set<number>();
  /** Keys n, values p: every prime above n, up to p, is used. */
  readonly #usedUpTo = new Map<number, number>();

  /** The smallest unused prime above `n`. Marks it as used. */
  takeAbove(n: number): number {
    let from = n;
    while (true) {
      for (let to; (to = this.#usedUpTo.get(from)) !== undefined;) from = to;
      let candidate = Math.max(from + 1, 2);
      while (!this.#used.has(candidate) && !isPrime(candidate)) candidate++;
      this.#usedUpTo.set(from, candidate);
      if (!this.#used.has(candidate)) {
        this.#used.add(candidate);
        this.#usedUpTo.set(n, candidate);
        return candidate;
      }
      from = candidate;
    }
  }
}

interface Witness {
  readonly n: number;
  readonly odd: number;
  readonly twos: number;
  readonly multiply: (a: number, b: number) => number;
}

function passes(base: number, { n, odd, twos, multiply }: Witness): boolean {
  let power = 1;
  let square = base % n;
  for (let rest = odd; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  if (power === 1 || power === n - 1) return true;
  for (let i = 1; i < twos; i++) {
    power = multiply(power, power);
    if (power === n - 1) return true;
  }
  return false;
}

/**
 * Doubles hold products of factors below 2^26 exactly. Below 2^32 one factor is split into two halves of 16 bits, so
 * that every product and sum stays below 2^49. Above that, BigInt is used.
 */
function mulModulo(n: number): (a: number, b: number) => number {
  if (n <= 2 ** 26) return (a, b) => (a * b) % n;
  if (n <= 2 ** 32)
    return (a, b) => {
      const high = Math.floor(b / 2 ** 16);
      return (((a * high) % n) * 2 ** 16 + a * (b - high * 2 ** 16)) % n;
    };
  const modulus = BigInt(n);
  return (a, b) => Number((BigInt(a) * BigInt(b)) % modulus);
}
