/**
 * Python's `random.Random`, so that the same seed draws the same few-shot examples and the same bootstrap samples as
 * the harness does. MT19937 after Matsumoto and Nishimura (1998), seeded and used as CPython's `random` module does.
 * Knows numbers only.
 */
import { InvariantError } from "../../errors.ts";

const N = 624;
const M = 397;

export class PythonRandom {
  readonly #state = new Uint32Array(N);
  #at = N;

  /** `seed`: a whole number from 0. */
  constructor(seed: number) {
    const key: number[] = [];
    for (let rest = BigInt(seed); rest > 0n; rest >>= 32n) key.push(Number(rest & 0xffffffffn));
    this.#seedBy(key.length === 0 ? [0] : key);
  }

  #seedBy(key: readonly number[]): void {
    const state = this.#state;
    state[0] = 19_650_218;
    for (let i = 1; i < N; i++) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = Math.imul(1_812_433_253, before) + i;
    }
    let i = 1;
    let j = 0;
    const next = (): void => {
      if (++i >= N) {
        state[0] = state[N - 1]!;
        i = 1;
      }
    };
    for (let k = Math.max(N, key.length); k > 0; k--) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1_664_525)) + key[j]! + j;
      if (++j >= key.length) j = 0;
      next();
    }
    for (let k = N - 1; k > 0; k--) {
      const before = state[i - 1]! ^ (state[i - 1]! >>> 30);
      state[i] = (state[i]! ^ Math.imul(before, 1_566_083_941)) - i;
      next();
    }
    state[0] = 0x80000000;
  }

  #twist(): void {
    const state = this.#state;
    for (let i = 0; i < N; i++) {
      const next = i + 1 === N ? 0 : i + 1;
      const y = (state[i]! & 0x80000000) | (state[next]! & 0x7fffffff);
      const other = i + M < N ? i + M : i + M - N;
      state[i] = state[other]! ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#at = 0;
  }

  /** The next 32 bits, as a signed number. */
  #word(): number {
    if (this.#at === N) this.#twist();
    let y = this.#state[this.#at++]!;
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return y ^ (y >>> 18);
  }

  /** `random()`: 53 bits, 0 <= x < 1. */
  random(): number {
    const high = this.#word() >>> 5;
    const low = this.#word() >>> 6;
    return (high * 67_108_864 + low) / 9_007_199_254_740_992;
  }

  /** `_randbelow(n)` for 1 <= n < 2^32. */
  below(n: number): number {
    const bits = 32 - Math.clz32(n);
    for (;;) {
      const drawn = this.#word() >>> (32 - bits);
      if (drawn < n) return drawn;
    }
  }

  /** `sample(range(n), k)`: k different indices below n. */
  sample(n: number, k: number): number[] {
    if (k > n) throw new InvariantError(`a sample of ${k} of ${n}`);
    // CPython compares the size of a pool with that of a set. The draws depend on its choice.
    const setSize = k > 5 ? 21 + 4 ** Math.ceil(Math.log(k * 3) / Math.log(4)) : 21;
    const drawn: number[] = [];
    if (n <= setSize) {
      const pool = Array.from({ length: n }, (_, i) => i);
      for (let i = 0; i < k; i++) {
        const j = this.below(n - i);
        drawn.push(pool[j]!);
        pool[j] = pool[n - i - 1]!;
      }
      return drawn;
    }
    const seen = new Set<number>();
    while (drawn.length < k) {
      const j = this.below(n);
      if (seen.has(j)) continue;
      seen.add(j);
      drawn.push(j);
    }
    return drawn;
  }

  /** The sum of `choices(values, k=len(values))`: as many draws as there are values, with replacement. */
  sumOfChoices(values: readonly number[]): number {
    const n = values.length;
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[Math.floor(this.random() * n)]!;
    return sum;
  }
}
