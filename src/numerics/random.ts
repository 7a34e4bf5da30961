/**
 * Seeded random streams for start values, shuffling and sampling: xoshiro128** 1.1 (Blackman and Vigna, arXiv
 * 1805.01407; period 2^128 - 1). Its four state words come from splitmix64 (Steele et al. 2014) over the seed and a
 * stream name. The whole state is four integers, so a checkpoint can hold it, and a resumed run continues the same
 * sequence of draws. Not for hash constants (see `pcg64.ts`), and not for secrets.
 */
import { FormatError, InvalidConfigError } from "../errors.ts";

export class Random {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  private constructor(words: readonly [number, number, number, number]) {
    [this.#a, this.#b, this.#c, this.#d] = words;
  }

  /** The stream named `stream` of a seed (an integer below 2^53). Different streams are independent. */
  static fromSeed(seed: number, stream = ""): Random {
    if (!Number.isSafeInteger(seed))
      throw new InvalidConfigError(`a seed is an integer below 2^53, got ${seed}`);
    let state = BigInt.asUintN(64, BigInt(seed));
    for (let i = 0; i < stream.length; i++)
      state = splitmix64(state ^ BigInt(stream.charCodeAt(i))) + 1n;
    const first = splitmix64((state += 0x9e3779b97f4a7c15n));
    const second = splitmix64((state += 0x9e3779b97f4a7c15n));
    return Random.fromState(
      [
        Number(first & 0xffffffffn),
        Number(first >> 32n),
        Number(second & 0xffffffffn),
        // xoshiro must not start with all zeros, so the low bit of one word is set.
        Number(second >> 32n) | 1,
      ].map((word) => word >>> 0),
    );
  }

  /** Continues from a saved `state()`. */
  static fromState(state: readonly number[]): Random {
    const [a, b, c, d] = state;
    if (state.length !== 4 || !isWord(a) || !isWord(b) || !isWord(c) || !isWord(d))
      throw new FormatError(
        `a random state is four integers of 0..4294967295, got ${JSON.stringify(state)}`,
      );
    if ((a | b | c | d) === 0)
      throw new FormatError("a random state of four zeros would draw zeros for ever");
    return new Random([a | 0, b | 0, c | 0, d | 0]);
  }

  /** Four 32-bit words, safe to keep as JSON. */
  state(): [number, number, number, number] {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#d >>> 0];
  }

  nextU32(): number {
    const scaled = Math.imul(this.#b, 5);
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** 0 <= draw < 1, all 53 bits random. */
  uniform(): number {
    return ((this.nextU32() >>> 5) * 67_108_864 + (this.nextU32() >>> 6)) * 2 ** -53;
  }

  /** Mean 0, standard deviation 1 (Box-Muller; its second value is dropped, so that the state stays four words). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A uniform draw of 0..n-1 for 1 <= n <= 2^32. Words that would favour small results are rejected. */
  int(n: number): number {
    if (!Number.isInteger(n) || n < 1 || n > 4_294_967_296)
      throw new InvalidConfigError(`a draw below n needs an integer n of 1..2^32, got ${n}`);
    const limit = 4_294_967_296 - (4_294_967_296 % n);
    let word = this.nextU32();
    while (word >= limit) word = this.nextU32();
    return word % n;
  }

  /** Fills with normal draws of the given standard deviation. Both values of each Box-Muller pair are used. */
  fillNormal(into: Float32Array, deviation: number): void {
    for (let i = 0; i < into.length; i += 2) {
      const radius = deviation * Math.sqrt(-2 * Math.log(1 - this.uniform()));
      const angle = 2 * Math.PI * this.uniform();
      into[i] = radius * Math.cos(angle);
      if (i + 1 < into.length) into[i + 1] = radius * Math.sin(angle);
    }
  }

  /** Shuffles `items` in place (Fisher-Yates). */
  shuffle(items: Uint32Array | number[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const moved = items[i]!;
      items[i] = items[j]!;
      items[j] = moved;
    }
  }
}

function isWord(word: number | undefined): word is number {
  return word !== undefined && Number.isInteger(word) && word >= 0 && word <= 0xffffffff;
}

function splitmix64(state: bigint): bigint {
  let z = BigInt.asUintN(64, state);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}
