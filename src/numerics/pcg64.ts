/**
 * NumPy's `default_rng(seed).integers`, bit for bit: SeedSequence, PCG64 (XSL-RR 128/64) and bounded
 * draws. The multipliers of every Engram table come from here, so this file is part of a checkpoint
 * format: one changed bit changes the address of every row. BigInt throughout, because only a few draws are needed for
 * each layer. Not a generator for training (see `random.ts`). Knows nothing of what the draws are for.
 *
 * Sources: numpy/random `bit_generator.pyx` (SeedSequence), `pcg64.h`, `distributions.c` (Lemire).
 */
import { InvalidConfigError } from "../errors.ts";

const MASK_64 = (1n << 64n) - 1n;
const MASK_128 = (1n << 128n) - 1n;
const PCG_MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const POOL_WORDS = 4;

/** The 32-bit hash of SeedSequence. Its multiplier changes from call to call. */
class RunningHash {
  #constant: number;
  readonly #multiplier: number;

  constructor(constant: number, multiplier: number) {
    this.#constant = constant;
    this.#multiplier = multiplier;
  }

  next(word: number): number {
    let v = word ^ this.#constant;
    this.#constant = Math.imul(this.#constant, this.#multiplier);
    v = Math.imul(v, this.#constant);
    return (v ^ (v >>> 16)) >>> 0;
  }
}

function mix(x: number, y: number): number {
  const r = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) | 0;
  return (r ^ (r >>> 16)) >>> 0;
}

/** The four 32-bit pool words of `SeedSequence(seed)`, for any non-negative integer. */
export function seedPool(seed: bigint): Uint32Array {
  if (seed < 0n)
    throw new InvalidConfigError(
      `a PCG64 seed is a non-negative integer, got ${seed}; NumPy refuses it too`,
    );
  const entropy: number[] = [];
  for (let rest = seed; rest > 0n || entropy.length === 0; rest >>= 32n)
    entropy.push(Number(rest & 0xffffffffn));

  const hash = new RunningHash(0x43b0d7e5, 0x931e8875);
  const pool = new Uint32Array(POOL_WORDS);
  for (let i = 0; i < POOL_WORDS; i++) pool[i] = hash.next(entropy[i] ?? 0);
  for (let from = 0; from < POOL_WORDS; from++)
    for (let to = 0; to < POOL_WORDS; to++)
      if (from !== to) pool[to] = mix(pool[to]!, hash.next(pool[from]!));
  for (let from = POOL_WORDS; from < entropy.length; from++)
    for (let to = 0; to < POOL_WORDS; to++) pool[to] = mix(pool[to]!, hash.next(entropy[from]!));
  return pool;
}

/** The four 64-bit words that `SeedSequence(seed)` gives to PCG64. */
export function seedWords(seed: bigint): bigint[] {
  const pool = seedPool(seed);
  const hash = new RunningHash(0x8b51f9dd, 0x58f38ded);
  const words: bigint[] = [];
  for (let k = 0; k < 4; k++) {
    const low = hash.next(pool[(2 * k) % POOL_WORDS]!);
    const high = hash.next(pool[(2 * k + 1) % POOL_WORDS]!);
    words.push(BigInt(low) | (BigInt(high) << 32n));
  }
  return words;
}

export class Pcg64 {
  #state: bigint;
  readonly #increment: bigint;
  /** The unused high half of the last 64-bit draw of which a 32-bit draw took the low half. */
  #spare32: number | undefined;

  constructor(seed: bigint | number) {
    const [q0, q1, q2, q3] = seedWords(BigInt(seed)) as [bigint, bigint, bigint, bigint];
    this.#increment = (((q2 << 64n) | q3) * 2n + 1n) & MASK_128;
    // The reference steps from zero, adds the seed and steps again. The first step gives `inc`.
    this.#state = (this.#increment + ((q0 << 64n) | q1)) & MASK_128;
    this.#step();
  }

  get state(): bigint {
    return this.#state;
  }

  get increment(): bigint {
    return this.#increment;
  }

  #step(): void {
    this.#state = (this.#state * PCG_MULTIPLIER + this.#increment) & MASK_128;
  }

  next64(): bigint {
    this.#step();
    const folded = (this.#state >> 64n) ^ (this.#state & MASK_64);
    const rotation = this.#state >> 122n;
    return ((folded >> rotation) | (folded << (64n - rotation))) & MASK_64;
  }

  /** The low half of a 64-bit draw first, its high half next. 64-bit draws in between do not change this. */
  next32(): number {
    if (this.#spare32 !== undefined) {
      const spare = this.#spare32;
      this.#spare32 = undefined;
      return spare;
    }
    const draw = this.next64();
    this.#spare32 = Number(draw >> 32n);
    return Number(draw & 0xffffffffn);
  }

  /** `count` draws of `integers(low, high, dtype=int64)`: low <= draw < high. */
  integers(low: bigint, high: bigint, { count }: { count: number }): bigint[] {
    const range = high - 1n - low;
    if (range < 0n || range > MASK_64)
      throw new InvalidConfigError(
        `bounded draws need low < high at most 2^64 apart, got low ${low} and high ${high}`,
      );
    const draw = this.#bounded(range);
    return Array.from({ length: count }, () => low + draw());
  }

  /** A draw of 0..range. NumPy chooses the word size by the range, and the stream depends on this choice. */
  #bounded(range: bigint): () => bigint {
    if (range === 0n) return () => 0n;
    if (range === 0xffffffffn) return () => BigInt(this.next32());
    if (range === MASK_64) return () => this.next64();
    return range < 0xffffffffn
      ? lemire(range + 1n, 32n, () => BigInt(this.next32()))
      : lemire(range + 1n, 64n, () => this.next64());
  }
}

/** Lemire's nearly divisionless bounded draw (arXiv 1805.10941) on words of `bits` bits. */
function lemire(bound: bigint, bits: bigint, next: () => bigint): () => bigint {
  const size = 1n << bits;
  const mask = size - 1n;
  const threshold = (size - bound) % bound;
  return () => {
    let product = next() * bound;
    while ((product & mask) < threshold) product = next() * bound;
    return product >> bits;
  };
}
