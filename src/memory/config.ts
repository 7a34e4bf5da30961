/**
 * The configuration of an Engram memory, under the key names of the released model (DeepSeek-V4.1,
 * `engram_*` in config.json). Describes where rows lie and how they are addressed; knows nothing of
 * the transformer around it.
 *
 * No key that enters an address has a default, because nobody would notice a wrong one. The one exception is
 * `engram_seed`: the released model does not have the key, and its seed is 0. Unknown `engram_*` keys are refused for
 * the same reason.
 */
import { InvalidConfigError } from "../errors.ts";
import { isRecord, shown } from "../json-values.ts";
import { buildLayout, checkHashConstants, type EngramLayout } from "./layout.ts";

/** Where rows lie, how they are addressed, how wide they are. */
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
  /** Raw token id whose compressed id is used for look-back before the start. */
  readonly padTokenId: number;
  /** Number of compressed ids. Enters the multipliers: another size changes every address. */
  readonly compressedVocabSize: number;
  /** `seed + 10007 * layer` seeds each layer's multipliers; 0 in the released model. */
  readonly seed: number;
}

/** What addresses depend on: everything but the width of a row. */
export type AddressConfig = Omit<EngramConfig, "headDim">;

/** Ids are below 2^31 and so are buckets; the hash is proven exact within these bounds. */
const LIMIT = 2 ** 31 - 1;
/** Buckets of a whole model: 340 times those of the released one. To find their primes takes a second. */
const MAX_BUCKETS = 16_384;
/** Orders beyond this have no use and would only make look-back slow. */
const MAX_NGRAM = 64;

/** Columns of a token in one layer: C = (N-1) * H. */
export function numColumns(config: AddressConfig): number {
  return (config.maxNgramSize - 1) * config.numHeads;
}

/** Width E of a token's memory vector. */
export function memoryWidth(config: EngramConfig): number {
  return numColumns(config) * config.headDim;
}

/**
 * Reads the parsed JSON of a `config.json`: the `engram_*` keys, at the top or under `text_config`.
 * Throws `InvalidConfigError` that names the key, what was expected and what came.
 */
export function parseEngramConfig(json: unknown): EngramConfig {
  const keys = engramKeys(json);
  return { ...parseAddressConfig(json), headDim: integer(keys, "engram_head_dim", { least: 1 }) };
}

/** As `parseEngramConfig`; undefined for the configuration of a model without memory, which has none of the keys. */
export function findEngramConfig(json: unknown): EngramConfig | undefined {
  const isWithout =
    isRecord(json) && [...findKeys(json).keys()].every((key) => FUSION_KEYS.includes(key));
  return isWithout ? undefined : parseEngramConfig(json);
}

/** As `parseEngramConfig`, for callers that only address rows: `engram_head_dim` may be missing. */
export function parseAddressConfig(json: unknown): AddressConfig {
  const keys = engramKeys(json);
  const maxNgramSize = integer(keys, "engram_max_ngram_size", { least: 2, most: MAX_NGRAM });
  const compressedVocabSize = integer(keys, "engram_compressed_vocab_size", { least: 1 });
  const config: AddressConfig = {
    layerIds: layerIds(keys),
    maxNgramSize,
    numHeads: integer(keys, "engram_n_heads", { least: 1 }),
    minBucketRows: minBucketRows(keys, maxNgramSize - 1),
    padTokenId: integer(keys, "engram_pad_token_id", { least: 0 }),
    compressedVocabSize,
    seed: keys.has("engram_seed")
      ? integer(keys, "engram_seed", { least: 0, most: Number.MAX_SAFE_INTEGER })
      : 0,
  };
  checkNumBuckets(config);
  checkNumEmbeddings(keys, config);
  return config;
}

/**
 * Compares `layout` with the hash constants of a config.json (`engram_hash`, at the top or under `text_config`).
 * Returns whether there are any: the released model has none. Throws `FormatError` where they differ.
 */
export function checkStoredConstants(layout: EngramLayout, json: unknown): boolean {
  const stored = engramKeys(json).get("engram_hash");
  if (stored === undefined) return false;
  checkHashConstants(layout, stored);
  return true;
}

/** The `engram_*` keys of a configuration, as the released model spells them. */
export function engramConfigToJson(config: EngramConfig): Record<string, number | number[]> {
  const [first, ...others] = config.minBucketRows;
  const isUniform = first !== undefined && others.every((rows) => rows === first);
  return {
    engram_layer_ids: [...config.layerIds],
    engram_num_embeddings: buildLayout(config).layers.map((layer) => layer.numRows),
    engram_max_ngram_size: config.maxNgramSize,
    engram_vocab_size: isUniform ? first : [...config.minBucketRows],
    engram_n_heads: config.numHeads,
    engram_head_dim: config.headDim,
    engram_pad_token_id: config.padTokenId,
    engram_compressed_vocab_size: config.compressedVocabSize,
    engram_seed: config.seed,
  };
}

type Keys = ReadonlyMap<string, unknown>;

function engramKeys(json: unknown): Keys {
  if (!isRecord(json))
    throw new InvalidConfigError(`config.json: expected one JSON object, got ${shown(json)}`);
  const keys = findKeys(json);
  if (keys.size === 0)
    throw new InvalidConfigError(
      'config.json has no engram_* key, neither at the top nor under "text_config"; ' +
        "expected at least engram_layer_ids",
    );
  return keys;
}

function findKeys(json: Record<string, unknown>): Keys {
  const top = prefixed(json);
  const inner = json["text_config"];
  const nested = isRecord(inner) ? prefixed(inner) : undefined;
  if (nested === undefined || nested.size === 0) return top;
  if (top.size > 0)
    throw new InvalidConfigError(
      'config.json has engram_* keys at the top and under "text_config": remove either',
    );
  return nested;
}

/** Keys of the transformer: models without memory may have them, too. */
const FUSION_KEYS: readonly string[] = ["engram_kernel_size", "engram_gate"];

/** Every key that means something here. */
const KNOWN_KEYS: readonly string[] = [
  "engram_layer_ids",
  "engram_num_embeddings",
  "engram_max_ngram_size",
  "engram_vocab_size",
  "engram_n_heads",
  "engram_head_dim",
  "engram_pad_token_id",
  "engram_compressed_vocab_size",
  "engram_seed",
  ...FUSION_KEYS,
  "engram_hash",
];

function prefixed(object: Record<string, unknown>): Keys {
  const own = Object.entries(object).filter(([key]) => key.startsWith("engram_"));
  for (const [key, value] of own)
    if (!KNOWN_KEYS.includes(key))
      throw new InvalidConfigError(
        `config.json: "${key}": ${shown(value)} is not known here (${KNOWN_KEYS.join(", ")} are); ` +
          "rows would be used in another way than in training",
      );
  return new Map(own.filter(([, value]) => value !== null && value !== undefined));
}

function required(keys: Keys, name: string): unknown {
  if (!keys.has(name))
    throw new InvalidConfigError(
      `config.json lacks "${name}" (it has ${[...keys.keys()].join(", ")}); ` +
        "it has no default, because a wrong value would change addresses unnoticed",
    );
  return keys.get(name);
}

interface Bounds {
  readonly least: number;
  readonly most?: number;
}

function integer(keys: Keys, name: string, bounds: Bounds): number {
  return checkInteger(required(keys, name), name, bounds);
}

function checkInteger(value: unknown, name: string, { least, most = LIMIT }: Bounds): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most)
    throw new InvalidConfigError(
      `"${name}" is an integer of ${least}..${most}, got ${shown(value)}`,
    );
  return value;
}

function layerIds(keys: Keys): number[] {
  const name = "engram_layer_ids";
  const value = required(keys, name);
  if (!Array.isArray(value) || value.length === 0)
    throw new InvalidConfigError(
      `"${name}" is a list of decoder layers such as [1, 14], got ${shown(value)}`,
    );
  const ids = value.map((id, i) => checkInteger(id, `${name}[${i}]`, { least: 0 }));
  const repeated = ids.find((id, i) => ids.indexOf(id) !== i);
  if (repeated !== undefined)
    throw new InvalidConfigError(`"${name}" lists layer ${repeated} twice in ${shown(value)}`);
  return ids;
}

function minBucketRows(keys: Keys, numOrders: number): number[] {
  const name = "engram_vocab_size";
  const value = required(keys, name);
  if (!Array.isArray(value))
    return Array.from({ length: numOrders }, () => checkInteger(value, name, { least: 1 }));
  if (value.length !== numOrders)
    throw new InvalidConfigError(
      `"${name}" is one number or a list with one for each order; engram_max_ngram_size ` +
        `${numOrders + 1} has ${numOrders} orders (2..${numOrders + 1}), the list has ${value.length}`,
    );
  return value.map((rows, i) => checkInteger(rows, `${name}[${i}]`, { least: 1 }));
}

/** Comes before the search for primes. */
function checkNumBuckets(config: AddressConfig): void {
  const { layerIds: layers, maxNgramSize, numHeads } = config;
  const buckets = layers.length * (maxNgramSize - 1) * numHeads;
  if (buckets <= MAX_BUCKETS) return;
  throw new InvalidConfigError(
    `config.json asks for ${buckets} buckets of rows: ${layers.length} layers ("engram_layer_ids"), ` +
      `${maxNgramSize - 1} orders ("engram_max_ngram_size"), ${numHeads} heads ("engram_n_heads"); the limit ` +
      `is ${MAX_BUCKETS}`,
  );
}

function checkNumEmbeddings(keys: Keys, config: AddressConfig): void {
  const sums = buildLayout(config).layers.map((layer) => layer.numRows);
  const name = "engram_num_embeddings";
  if (!keys.has(name)) return;
  const value = keys.get(name);
  const given: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (given.length !== sums.length)
    throw new InvalidConfigError(
      `"${name}" has one entry for each of the ${sums.length} engram layers, got ${given.length}`,
    );
  for (const [i, sum] of sums.entries())
    if (given[i] !== sum)
      throw new InvalidConfigError(
        `"${name}" says ${shown(given[i])} rows for layer ${config.layerIds[i]}, but the primes ` +
          `from ${config.minBucketRows.join(", ")} with ${config.numHeads} heads sum to ${sum}; ` +
          "rows would be looked up at the wrong places",
      );
}
