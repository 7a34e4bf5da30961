/**
 * Fits the weights of a mixture (`model/mixture.ts`) to a backbone that does not move: what it says is computed once, then
 * this is a small regression, by Adam over the kept numbers. The best pass by a part that it does not learn from is kept.
 * Knows numbers; no graphs, no texts, no memory.
 *
 * N positions, D width of the hidden states, E numbers of evidence, K distributions; weights are of 1 + K, the backbone's first.
 */
import { NonFiniteError } from "../errors.ts";
import { Random } from "../numerics/index.ts";

/** What is kept of each position. */
export interface MixtureSamples {
  readonly count: number;
  /** [N, D] */
  readonly hidden: Float32Array;
  /** [N, E] */
  readonly evidence: Float32Array;
  /** [N, 1 + K] Chances of the id that came: the backbone's, then those of the distributions. */
  readonly chances: Float32Array;
}

export interface FittedMixture {
  /** [1 + K, D], [1 + K, E], [1 + K] */
  readonly hidden: Float32Array;
  readonly evidence: Float32Array;
  readonly bias: Float32Array;
  /** Nats a token of the part that was kept apart: of the backbone alone, and of the mixture. */
  readonly alone: number;
  readonly mixed: number;
}

/** The last part of the samples, which are in the order of the text, is not learned from. */
const HELD_OUT = 0.1;
/** At least, of all passes together. */
const LEAST_STEPS = 1200;
const BATCH = 256;
const PEAK_LR = 2e-2;
const DECAY = 1e-3;
/** With which every distribution begins at least, so that it can be learned to be believed. */
const LEAST_SHARE = 1e-3;
/** A chance of zero would have no logarithm. */
const LEAST = 1e-30;

export function fitMixture(samples: MixtureSamples, seed = 0): FittedMixture {
  const { count } = samples;
  const fit = new Fit(samples);
  const numLearned = count - Math.max(1, Math.floor(HELD_OUT * count));
  fit.start(numLearned);
  const random = Random.fromSeed(seed, "mixture");
  const order = Uint32Array.from({ length: numLearned }, (_, i) => i);
  const passes = Math.ceil(LEAST_STEPS / Math.ceil(numLearned / BATCH));
  const steps = passes * Math.ceil(numLearned / BATCH);
  let best = fit.loss(numLearned, count);
  let kept = fit.weights.slice();
  let step = 0;
  for (let pass = 0; pass < passes; pass++) {
    for (let i = numLearned - 1; i > 0; i--) {
      const other = Math.floor(random.uniform() * (i + 1));
      [order[i], order[other]] = [order[other]!, order[i]!];
    }
    for (let from = 0; from < numLearned; from += BATCH, step++) {
      const lr = PEAK_LR * 0.5 * (1 + Math.cos((Math.PI * step) / steps));
      fit.step(order.subarray(from, from + BATCH), { lr, step });
    }
    const loss = fit.loss(numLearned, count);
    if (loss >= best) continue;
    best = loss;
    kept = fit.weights.slice();
  }
  let alone = 0;
  const width = samples.chances.length / count;
  for (let i = numLearned; i < count; i++)
    alone -= Math.log(Math.max(samples.chances[i * width]!, LEAST)) / (count - numLearned);
  if (!Number.isFinite(best) || !Number.isFinite(alone))
    throw new NonFiniteError(`the reader's loss is ${best}, the model's own ${alone}`);
  return { ...fit.unscaled(kept), alone, mixed: best };
}

class Fit {
  /** [1 + K, D + E + 1], of numbers scaled to mean 0 and deviation 1, of states to length 1. */
  readonly weights: Float64Array;
  readonly #samples: MixtureSamples;
  /** D, E, and 1 + K. */
  readonly #hidden: number;
  readonly #evidence: number;
  readonly #outputs: number;
  readonly #width: number;
  readonly #mean: Float64Array;
  readonly #scale: Float64Array;
  readonly #gradient: Float64Array;
  readonly #m: Float64Array;
  readonly #v: Float64Array;
  readonly #input: Float64Array;
  readonly #shares: Float64Array;

  constructor(samples: MixtureSamples) {
    const { count, hidden, evidence, chances } = samples;
    this.#samples = samples;
    this.#hidden = hidden.length / count;
    this.#evidence = evidence.length / count;
    this.#outputs = chances.length / count;
    this.#width = this.#hidden + this.#evidence + 1;
    const size = this.#outputs * this.#width;
    this.weights = new Float64Array(size);
    this.#gradient = new Float64Array(size);
    this.#m = new Float64Array(size);
    this.#v = new Float64Array(size);
    this.#input = new Float64Array(this.#width);
    this.#shares = new Float64Array(this.#outputs);
    this.#mean = new Float64Array(this.#width);
    this.#scale = new Float64Array(this.#width).fill(1);
    // Adam moves every weight as far, and a state has many: together they may move a share no farther than evidence does.
    this.#standardize(hidden, 0, 1 / Math.sqrt(this.#hidden));
    this.#standardize(evidence, this.#hidden, 1);
  }

  #standardize(data: Float32Array, at: number, length: number): void {
    const { count } = this.#samples;
    const width = data.length / count;
    for (let i = 0; i < width; i++) {
      let [sum, squares] = [0, 0];
      for (let n = 0; n < count; n++) {
        const value = data[n * width + i]!;
        sum += value;
        squares += value * value;
      }
      const mean = sum / count;
      const deviation = Math.sqrt(Math.max(0, squares / count - mean * mean));
      this.#mean[at + i] = mean;
      // What never changes says nothing.
      this.#scale[at + i] = deviation > 1e-6 ? length / deviation : 0;
    }
  }

  /** Begins with the best shares that are the same everywhere, by expectation and maximization over the first samples. */
  start(numLearned: number): void {
    const [outputs, { chances }] = [this.#outputs, this.#samples];
    let shares = new Float64Array(outputs).fill(1 / outputs);
    for (let round = 0; round < 30; round++) {
      const next = new Float64Array(outputs);
      for (let n = 0; n < numLearned; n++) {
        let sum = LEAST;
        for (let k = 0; k < outputs; k++) sum += shares[k]! * chances[n * outputs + k]!;
        for (let k = 0; k < outputs; k++)
          next[k]! += (shares[k]! * chances[n * outputs + k]!) / sum / numLearned;
      }
      shares = next;
    }
    for (let k = 0; k < outputs; k++)
      this.weights[k * this.#width + this.#width - 1] = Math.log(Math.max(shares[k]!, LEAST_SHARE));
  }

  /** Mean loss of the samples `from`..`to`-1. */
  loss(from: number, to: number): number {
    let sum = 0;
    for (let n = from; n < to; n++) sum += this.#forward(n);
    return sum / (to - from);
  }

  step(batch: Uint32Array, { lr, step }: { lr: number; step: number }): void {
    const gradient = this.#gradient.fill(0);
    const [width, outputs, input, shares] = [this.#width, this.#outputs, this.#input, this.#shares];
    for (const n of batch) {
      const chance = Math.exp(-this.#forward(n));
      for (let k = 0; k < outputs; k++) {
        const of = this.#samples.chances[n * outputs + k]!;
        // d -log sum(share p) / d logit
        const slope = (shares[k]! * (1 - of / chance)) / batch.length;
        const row = k * width;
        for (let i = 0; i < width; i++) gradient[row + i]! += slope * input[i]!;
      }
    }
    const [a, b] = [1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)];
    const [m, v, weights] = [this.#m, this.#v, this.weights];
    for (let i = 0; i < weights.length; i++) {
      const g = gradient[i]!;
      m[i] = 0.9 * m[i]! + 0.1 * g;
      v[i] = 0.999 * v[i]! + 0.001 * g * g;
      const move = m[i]! / a / (Math.sqrt(v[i]! / b) + 1e-8);
      weights[i]! -= lr * (move + DECAY * weights[i]!);
    }
  }

  /** -log of the mixture's chance of sample n; leaves its inputs and shares. */
  #forward(n: number): number {
    const { hidden, evidence, chances } = this.#samples;
    const [mean, scale, input, shares] = [this.#mean, this.#scale, this.#input, this.#shares];
    const [ofHidden, ofEvidence, width, outputs] = [
      this.#hidden,
      this.#evidence,
      this.#width,
      this.#outputs,
    ];
    for (let i = 0; i < ofHidden; i++)
      input[i] = (hidden[n * ofHidden + i]! - mean[i]!) * scale[i]!;
    for (let i = 0; i < ofEvidence; i++) {
      const at = ofHidden + i;
      input[at] = (evidence[n * ofEvidence + i]! - mean[at]!) * scale[at]!;
    }
    input[width - 1] = 1;
    let largest = -Infinity;
    for (let k = 0; k < outputs; k++) {
      let sum = 0;
      const row = k * width;
      for (let i = 0; i < width; i++) sum += this.weights[row + i]! * input[i]!;
      shares[k] = sum;
      largest = Math.max(largest, sum);
    }
    let total = 0;
    for (let k = 0; k < outputs; k++) total += shares[k] = Math.exp(shares[k]! - largest);
    let chance = 0;
    for (let k = 0; k < outputs; k++) {
      shares[k]! /= total;
      chance += shares[k]! * chances[n * outputs + k]!;
    }
    return -Math.log(Math.max(chance, LEAST));
  }

  /** The same weights for numbers as they are. */
  unscaled(weights: Float64Array): Pick<FittedMixture, "hidden" | "evidence" | "bias"> {
    const [width, outputs] = [this.#width, this.#outputs];
    const hidden = new Float32Array(outputs * this.#hidden);
    const evidence = new Float32Array(outputs * this.#evidence);
    const bias = new Float32Array(outputs);
    for (let k = 0; k < outputs; k++) {
      let sum = weights[k * width + width - 1]!;
      for (let i = 0; i + 1 < width; i++) {
        const weight = weights[k * width + i]! * this.#scale[i]!;
        sum -= weight * this.#mean[i]!;
        if (i < this.#hidden) hidden[k * this.#hidden + i] = weight;
        else evidence[k * this.#evidence + i - this.#hidden] = weight;
      }
      bias[k] = sum;
    }
    return { hidden, evidence, bias };
  }
}
