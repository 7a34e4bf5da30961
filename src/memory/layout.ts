/**
 * Where every bucket of a table lies: the multipliers, primes and offsets of each layer, as a pure
 * function of the configuration. These constants are a file format: a checkpoint is readable only with
 * exactly these numbers, so they can be written out and checked on load. Multipliers reach 2^63; they
 * are BigInt or decimal strings, never JSON numbers. Knows nothing of tokens, rows' contents or stores.
 */
import { FormatError, InvalidConfigError } from "../errors.ts";
import { recordOf } from "../json-values.ts";
import { Pcg64, UnusedPrimes } from "../numerics/index.ts";
import type { AddressConfig } from "./config.ts";

export interface LayerLayout {
  readonly layerId: number;
  /** One odd multiplier for each look-back distance 0..N-1; id * multiplier < 2^63 for every id. */
  readonly multipliers: readonly bigint[];
  /** Bucket sizes in column order: column (n-2)*H + head. All distinct, over all layers. */
  readonly primes: readonly number[];
  /** First row of each column's bucket: exclusive prefix sums of `primes`. */
  readonly offsets: readonly number[];
  /** Rows of this layer's table: the sum of `primes`. */
  readonly numRows: number;
}

export interface EngramLayout {
  readonly config: AddressConfig;
  /** In the order of `config.layerIds`. */
  readonly layers: readonly LayerLayout[];
}

/** Row ids are 32-bit. */
const MAX_ROWS = 2 ** 32 - 1;
/** The hash reduces modulo primes below 2^31 exactly (see `hash.ts`). */
const MAX_PRIME = 2 ** 31 - 1;

export function buildLayout(config: AddressConfig): EngramLayout {
  const { layerIds, maxNgramSize, numHeads, minBucketRows } = config;
  if (minBucketRows.length !== maxNgramSize - 1)
    throw new InvalidConfigError(
      `minBucketRows needs one entry for each order 2..${maxNgramSize}, got ${minBucketRows.length}`,
    );
  // Shared over orders and layers: no two buckets of a model have the same size, so n-grams that
  // collide in one column have no reason to collide in another.
  const unused = new UnusedPrimes();
  const layers = layerIds.map((layerId) => {
    const primes: number[] = [];
    const offsets: number[] = [];
    let numRows = 0;
    for (const base of minBucketRows) {
      let prime = base - 1;
      for (let head = 0; head < numHeads; head++) {
        prime = unused.takeAbove(prime);
        offsets.push(numRows);
        primes.push(prime);
        numRows += prime;
        checkSize({ layerId, prime, numRows });
      }
    }
    return { layerId, multipliers: layerMultipliers(config, layerId), primes, offsets, numRows };
  });
  return { config, layers };
}

/**
 * m[i] = 2 r[i] + 1 with r drawn from [0, B), B = floor(floor((2^63 - 1) / V) / 2), by NumPy's default
 * generator seeded with seed + 10007 * layer. Hence V * m < 2^63: products never wrap.
 */
export function layerMultipliers(config: AddressConfig, layerId: number): bigint[] {
  const { compressedVocabSize, maxNgramSize, seed } = config;
  const half = (2n ** 63n - 1n) / BigInt(compressedVocabSize) / 2n;
  const bound = half > 1n ? half : 1n;
  const generator = new Pcg64(BigInt(seed) + 10007n * BigInt(layerId));
  return generator.integers(0n, bound, { count: maxNgramSize }).map((draw) => 2n * draw + 1n);
}

export function layerOf(layout: EngramLayout, layerId: number): LayerLayout {
  const layer = layout.layers.find((candidate) => candidate.layerId === layerId);
  if (layer === undefined)
    throw new InvalidConfigError(
      `layer ${layerId} carries no memory; layers ${layout.config.layerIds.join(", ")} do`,
    );
  return layer;
}

/** The constants of one layer as JSON keeps them exactly. */
export interface LayerConstants {
  readonly layer: number;
  readonly multipliers: readonly string[];
  readonly primes: readonly number[];
  readonly offsets: readonly number[];
  readonly rows: number;
}

/** The constants to store beside a table. */
export function hashConstants(layout: EngramLayout): LayerConstants[] {
  return layout.layers.map((layer) => ({
    layer: layer.layerId,
    multipliers: layer.multipliers.map(String),
    primes: layer.primes,
    offsets: layer.offsets,
    rows: layer.numRows,
  }));
}

/** Throws `FormatError` unless `stored` (parsed JSON) holds exactly the constants of `layout`. */
export function checkHashConstants(layout: EngramLayout, stored: unknown): void {
  const expected = hashConstants(layout);
  if (!Array.isArray(stored) || stored.length !== expected.length)
    throw new FormatError(
      `stored hash constants: expected a list of ${expected.length} layers, got ` +
        (Array.isArray(stored) ? `${stored.length}` : typeof stored),
    );
  for (const [i, layer] of expected.entries()) {
    const found = new Map(Object.entries(recordOf(stored[i])));
    for (const [key, value] of Object.entries(layer))
      if (JSON.stringify(found.get(key)) !== JSON.stringify(value))
        throw new FormatError(
          `stored hash constants of layer ${layer.layer}: "${key}" should be ` +
            `${JSON.stringify(value)} and is ${JSON.stringify(found.get(key))}; every address would ` +
            "change, so the table does not belong to this configuration",
        );
  }
}

function checkSize({ layerId, prime, numRows }: Record<"layerId" | "prime" | "numRows", number>) {
  if (prime > MAX_PRIME)
    throw new InvalidConfigError(
      `layer ${layerId}: a bucket of ${prime} rows is above the limit of ${MAX_PRIME}`,
    );
  if (numRows > MAX_ROWS)
    throw new InvalidConfigError(
      `layer ${layerId} would have more than ${MAX_ROWS} rows (${numRows} and counting), but row ids ` +
        "have 32 bits; lower engram_vocab_size or engram_n_heads",
    );
}
