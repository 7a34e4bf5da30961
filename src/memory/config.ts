/**
 * The configuration of an Engram memory, under the key names of the released model (DeepSeek-V4.1,
 * `engram_*` in config.json). Describes where rows lie and how they are addressed; knows nothing of
 * the transformer around it.
 */

export interface EngramConfig {
  /** Decoder layers that carry memory, zero-based, in config order (order matters for primes). */
  readonly layerIds: readonly number[];
  /** Longest n-gram N; orders are 2..N. */
  readonly maxNgramSize: number;
  /** Hash heads per order, H. */
  readonly numHeads: number;
  /** Values per row, d. The memory vector of a token is E = (N-1) * H * d values wide. */
  readonly headDim: number;
  /** Smallest bucket per order, orders 2..N: each bucket has the next unused prime >= this. */
  readonly minBucketRows: readonly number[];
  /** Raw token id whose compressed id stands in for look-back before the start. */
  readonly padTokenId: number;
  /** Number of compressed ids. Enters the multipliers: another size changes every address. */
  readonly compressedVocabSize: number;
  /** `seed + 10007 * layer` seeds each layer's multipliers; 0 in the released model. */
  readonly seed: number;
}
