/**
 * Logits -> one token id. The order is that of vLLM's sampler: bias; repetition, frequency and presence penalty;
 * temperature; min-p; top-k; top-p. Each filter sees what the ones before it left: min-p compares with all tokens, and
 * top-p is a share of what min-p and top-k kept. (Hugging Face's generation has min-p last, so that top-p keeps more.)
 * Of equal logits at the edge of top-k or top-p the lower ids stay. Knows numbers and ids; not text, stop rules or
 * sessions.
 */
import { InvalidConfigError } from "../errors.ts";
import { Random } from "../numerics/index.ts";

/** How a token is chosen; every option has the neutral value as its default. */
export interface SamplingOptions {
  /** 0 chooses the likeliest token. Default 1. */
  readonly temperature?: number;
  /** Keep the k likeliest; 0 keeps all. Default 0. */
  readonly topK?: number;
  /** Keep the likeliest tokens until their chances sum to this (arXiv 1904.09751). Default 1. */
  readonly topP?: number;
  /** Drop tokens below this share of the likeliest one's chance (arXiv 2407.01082). Default 0. */
  readonly minP?: number;
  /** Divides positive and multiplies negative logits of tokens already in the text
   *  (arXiv 1909.05858). Default 1. */
  readonly repetitionPenalty?: number;
  /** Subtracted from the logits of tokens generated so far. Default 0. */
  readonly presencePenalty?: number;
  /** Subtracted as often as a token was generated so far. Default 0. */
  readonly frequencyPenalty?: number;
  /** Added to the logits of these ids. */
  readonly logitBias?: ReadonlyMap<number, number>;
  /** How much of the history is the prompt, which presence and frequency do not count. Default 0. */
  readonly promptLength?: number;
  /** The same seed draws the same tokens. Default 0. */
  readonly seed?: number;
}

/** `logits` [V] is left as it was; `history` holds the ids of the text so far. */
export type Sampler = (logits: Float32Array, history: readonly number[]) => number;

function within(name: string, value: number, [low, high]: readonly [number, number]): void {
  if (!(value >= low && value <= high))
    throw new InvalidConfigError(`${name} must lie in ${low}..${high}, got ${value}`);
}

/** A sampler with a random stream of its own. Throws `InvalidConfigError` for options out of range. */
export function createSampler({
  temperature = 1,
  topK = 0,
  topP = 1,
  minP = 0,
  repetitionPenalty = 1,
  presencePenalty = 0,
  frequencyPenalty = 0,
  logitBias = new Map(),
  promptLength = 0,
  seed = 0,
}: SamplingOptions = {}): Sampler {
  within("temperature", temperature, [0, 100]);
  within("topP", topP, [0, 1]);
  within("minP", minP, [0, 1]);
  within("repetitionPenalty", repetitionPenalty, [0.01, 100]);
  within("presencePenalty", presencePenalty, [-100, 100]);
  within("frequencyPenalty", frequencyPenalty, [-100, 100]);
  for (const bias of logitBias.values()) within("logitBias", bias, [-100, 100]);
  if (!Number.isInteger(topK) || topK < 0)
    throw new InvalidConfigError(`topK must be 0 (all) or a number of tokens, got ${topK}`);
  const random = Random.fromSeed(seed, "sampling");
  let scores = new Float32Array(0);
  // Nothing to change, so nothing to copy.
  const isPlainGreedy =
    temperature === 0 &&
    logitBias.size === 0 &&
    repetitionPenalty === 1 &&
    presencePenalty === 0 &&
    frequencyPenalty === 0;
  if (isPlainGreedy) return argmax;
  return (logits, history) => {
    if (scores.length !== logits.length) scores = new Float32Array(logits.length);
    scores.set(logits);
    for (const [id, bias] of logitBias) if (id < scores.length) scores[id] = scores[id]! + bias;
    if (repetitionPenalty !== 1)
      for (const id of new Set(history)) {
        const x = scores[id]!;
        scores[id] = x > 0 ? x / repetitionPenalty : x * repetitionPenalty;
      }
    if (presencePenalty !== 0 || frequencyPenalty !== 0)
      for (const [id, count] of countsFrom(history, promptLength))
        scores[id] = scores[id]! - presencePenalty - frequencyPenalty * count;
    if (temperature === 0) return argmax(scores);
    const likeliest = scores[argmax(scores)]!;
    for (let i = 0; i < scores.length; i++)
      scores[i] = Math.exp((scores[i]! - likeliest) / temperature);
    if (topK === 0 && topP === 1 && minP === 0) return drawAll(scores, random.uniform());
    return drawFiltered(scores, { topK, topP, minP }, random.uniform());
  };
}

function countsFrom(history: readonly number[], from: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = from; i < history.length; i++)
    counts.set(history[i]!, (counts.get(history[i]!) ?? 0) + 1);
  return counts;
}

/** Index of the largest value; the first of equals. */
export function argmax(values: Float32Array): number {
  let best = 0;
  let highest = values[0]!;
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!;
    if (value > highest) [best, highest] = [i, value];
  }
  return best;
}

/** Draws an index in proportion to `weights`; `u` is uniform in 0..1. */
function drawAll(weights: Float32Array, u: number): number {
  let total = 0;
  for (const w of weights) total += w;
  let left = u * total;
  for (let i = 0; i < weights.length; i++) {
    left -= weights[i]!;
    if (left < 0) return i;
  }
  return argmax(weights);
}

/** As `drawAll`, over the likeliest indices that the filters keep; the largest weight is 1. */
function drawFiltered(
  weights: Float32Array,
  { topK, topP, minP }: { topK: number; topP: number; minP: number },
  u: number,
): number {
  const kept: number[] = [];
  const limit = topK === 0 ? weights.length : Math.min(topK, weights.length);
  // What top-p keeps is a share of the mass before it. With top-k that is known only once the k are there.
  let enough = Infinity;
  if (topK === 0) {
    let total = 0;
    for (const w of weights) if (w >= minP) total += w;
    enough = topP * total;
  }
  let mass = 0;
  for (const id of byFallingWeight(weights)) {
    if (weights[id]! < minP) break;
    kept.push(id);
    mass += weights[id]!;
    if (kept.length === limit || mass >= enough) break;
  }
  if (topK !== 0 && topP < 1) {
    enough = topP * mass;
    mass = 0;
    let count = 0;
    do mass += weights[kept[count++]!]!;
    while (mass < enough);
    kept.length = count;
  }
  let left = u * mass;
  for (const id of kept) {
    left -= weights[id]!;
    if (left < 0) return id;
  }
  return kept[0]!;
}

/**
 * Indices by falling weight in 0..1; equal weights by rising index, so that draws do not depend on layout. Zeros, which
 * are never drawn, are left out. Weights are sorted a band at a time, since filters mostly keep a few dozen of thousands.
 */
function* byFallingWeight(weights: Float32Array): Generator<number> {
  const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length);
  for (let high = 2, low = 2 ** -4; high > SMALLEST; high = low, low *= low) {
    const keys: number[] = [];
    for (let i = 0; i < weights.length; i++)
      if (weights[i]! >= low && weights[i]! < high) keys.push(i - bits[i]! * MAX_INDICES);
    for (const key of new Float64Array(keys).toSorted())
      yield key - Math.floor(key / MAX_INDICES) * MAX_INDICES;
  }
}

/** The bits of 1 times this are below 2^53, so that a weight's bits and its index make one exact number. */
const MAX_INDICES = 2 ** 23;
/** Above 0 in 32 bits. */
const SMALLEST = 2 ** -149;
