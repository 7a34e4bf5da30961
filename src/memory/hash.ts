/**
 * Compressed n-grams -> row ids: the formula of the memory, without BigInt and exact.
 *
 *     blocked = false, mix = 0
 *     for i in 0..N-1:                                             look-back distance
 *       blocked ||= t-i < 0, or id[t-i] is DEAD, or a document starts at t-i+1   (sticky)
 *       mix ^= (blocked ? pad : id[t-i]) * multiplier[i]
 *       if i >= 1: row[(i-1)*H + h] = mix mod prime + offset, for every head h of order i+1
 *
 * Why doubles are enough. Domain: 0 <= id < V <= 2^31 and V * multiplier < 2^63 (checked once a layer),
 * prime < 2^31. A 63-bit value is held as three limbs of 21 bits, x = x2 2^42 + x1 2^21 + x0.
 *
 * Product. m = mhi 2^21 + mlo. P = id * mlo < 2^31 * 2^21 = 2^52 is exact. T = id * mhi <= id * m / 2^21
 * < 2^42 is exact. With P = P1 2^21 + P0, the sum S = T + P1 = floor(id * m / 2^21) < 2^42 is exact, and
 * the limbs are x0 = P0, x1 = S mod 2^21, x2 = floor(S / 2^21) < 2^21. Division by 2^21 is exact in a
 * double, so both floors are the true ones. XOR works limb by limb, in int32.
 *
 * Remainder. With c2 = 2^42 mod p and c1 = 2^21 mod p, both < p <= 2^31 - 1,
 *     y = x2 c2 + x1 c1 + x0  is congruent to x, and
 *     y <= 2 (2^21 - 1)(2^31 - 2) + 2^21 - 1 < 2^53,
 * so every step of y is exact. Let w = (1/p)(1 - 2^-50), rounded. The three roundings on the way to the
 * double y*w are each at most 2^-53 relative, together less than 2^-50, so y*w never exceeds y/p; and
 * y/p < 2^22 + 2^21 (each c < p), so y*w falls short of y/p by less than 2^23 * 2^-49 < 1. Hence
 * q = floor(y*w) is floor(y/p) or one less, q*p <= y is exact, and r = y - q*p lies in [0, 2p): one
 * conditional subtraction ends it.
 */
import { InvalidConfigError, RequestError } from "../errors.ts";
import type { LayerLayout } from "./layout.ts";

/** The compressed id of a position without text (an image). It ends every n-gram that reaches it. */
export const DEAD = -1;

const LIMB = 2 ** 21;
const LIMB_INVERSE = 2 ** -21;

/** The constants of one layer in the form the inner loop reads. */
export interface HashPlan {
  readonly layerId: number;
  readonly maxNgramSize: number;
  readonly numHeads: number;
  readonly numColumns: number;
  readonly compressedVocabSize: number;
  /** mhi, mlo for each look-back distance. */
  readonly multiplierLimbs: Float64Array;
  /** c2, c1, w, p, offset for each column. */
  readonly columns: Float64Array;
}

export interface HashPlanOptions {
  readonly numHeads: number;
  readonly compressedVocabSize: number;
}

export function buildHashPlan(
  layer: LayerLayout,
  { numHeads, compressedVocabSize }: HashPlanOptions,
): HashPlan {
  const { layerId, multipliers, primes, offsets } = layer;
  const maxNgramSize = multipliers.length;
  const numColumns = (maxNgramSize - 1) * numHeads;
  if (primes.length !== numColumns || offsets.length !== numColumns)
    throw new InvalidConfigError(
      `layer ${layerId}: ${maxNgramSize - 1} orders of ${numHeads} heads need ${numColumns} primes and ` +
        `offsets, got ${primes.length} and ${offsets.length}`,
    );
  if (compressedVocabSize < 1 || compressedVocabSize > 2 ** 31)
    throw new InvalidConfigError(
      `compressed ids are exact up to 2^31 of them, got a vocabulary of ${compressedVocabSize}`,
    );
  const multiplierLimbs = new Float64Array(2 * maxNgramSize);
  for (const [i, multiplier] of multipliers.entries()) {
    if (multiplier < 1n || multiplier * BigInt(compressedVocabSize) >= 1n << 63n)
      throw new InvalidConfigError(
        `layer ${layerId}: multiplier ${multiplier} times the vocabulary of ${compressedVocabSize} ` +
          "must lie in 1..2^63-1, or products would wrap",
      );
    multiplierLimbs[2 * i] = Number(multiplier >> 21n);
    multiplierLimbs[2 * i + 1] = Number(multiplier & 0x1fffffn);
  }
  const columns = new Float64Array(5 * numColumns);
  for (const [c, prime] of primes.entries()) {
    if (!Number.isInteger(prime) || prime < 1 || prime >= 2 ** 31)
      throw new InvalidConfigError(
        `layer ${layerId}: a bucket of ${prime} rows is not in 1..2^31-1`,
      );
    columns[5 * c] = Number((1n << 42n) % BigInt(prime));
    columns[5 * c + 1] = LIMB % prime;
    columns[5 * c + 2] = (1 / prime) * (1 - 2 ** -50);
    columns[5 * c + 3] = prime;
    columns[5 * c + 4] = offsets[c]!;
  }
  return {
    layerId,
    maxNgramSize,
    numHeads,
    numColumns,
    compressedVocabSize,
    multiplierLimbs,
    columns,
  };
}

export interface HashRange {
  /** Positions from..to-1 of `ids` are addressed; positions before `from` serve as look-back. */
  readonly from: number;
  readonly to: number;
  /** Compressed id used where look-back is blocked. */
  readonly pad: number;
  /** Non-zero where a document starts; look-back does not cross it. Index 0 always starts one. */
  readonly starts?: Uint8Array;
  /** Receives (to - from) * C row ids from `outOffset` on, position-major. */
  readonly out: Uint32Array;
  readonly outOffset?: number;
}

/**
 * Global row ids (offsets included) of a range of one timeline's compressed ids. The ids must have been
 * checked (`checkCompressedIds`): each is DEAD or in 0..V-1.
 */
export function hashRange(plan: HashPlan, ids: Int32Array, range: HashRange): void {
  const { maxNgramSize, numHeads, multiplierLimbs, columns } = plan;
  const { from, to, pad, starts, out } = range;
  let cursor = range.outOffset ?? 0;
  for (let t = from; t < to; t++) {
    let blocked = false;
    let mix2 = 0;
    let mix1 = 0;
    let mix0 = 0;
    let column = 0;
    for (let i = 0; i < maxNgramSize; i++) {
      let id = pad;
      if (!blocked) {
        blocked =
          i > t || (i > 0 && starts !== undefined && starts[t - i + 1] !== 0) || ids[t - i]! < 0;
        if (!blocked) id = ids[t - i]!;
      }
      const p = id * multiplierLimbs[2 * i + 1]!;
      const p1 = Math.floor(p * LIMB_INVERSE);
      const s = id * multiplierLimbs[2 * i]! + p1;
      const s1 = Math.floor(s * LIMB_INVERSE);
      mix0 ^= p - p1 * LIMB;
      mix1 ^= s - s1 * LIMB;
      mix2 ^= s1;
      if (i === 0) continue;
      for (const end = column + 5 * numHeads; column < end; column += 5) {
        const y = mix2 * columns[column]! + mix1 * columns[column + 1]! + mix0;
        const prime = columns[column + 3]!;
        const r = y - Math.floor(y * columns[column + 2]!) * prime;
        out[cursor++] = columns[column + 4]! + (r < prime ? r : r - prime);
      }
    }
  }
}

/** Refuses ids that are neither DEAD nor compressed ids: outside its domain the hash is not exact. */
export function checkCompressedIds(ids: ArrayLike<number>, compressedVocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!;
    if (!Number.isInteger(id) || id < DEAD || id >= compressedVocabSize)
      throw new RequestError(
        `compressed id ${id} at position ${i} is outside 0..${compressedVocabSize - 1} ` +
          `(or ${DEAD} for a position without text)`,
      );
  }
}
