import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import * as fc from "fast-check";
import { Random } from "../numerics/index.ts";
import { argmax, createSampler, type SamplingOptions } from "./index.ts";

/** The chances that the options leave, by sorting and cutting: the filters' definitions. */
function expectedChances(
  logits: readonly number[],
  history: readonly number[],
  options: SamplingOptions,
): number[] {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const { presencePenalty = 0, frequencyPenalty = 0, promptLength = 0, logitBias } = options;
  const scores = logits.map((logit, id) => {
    const x = logit + (logitBias?.get(id) ?? 0);
    const repeated = !history.includes(id)
      ? x
      : x > 0
        ? x / repetitionPenalty
        : x * repetitionPenalty;
    const count = history.slice(promptLength).filter((other) => other === id).length;
    return repeated - (count > 0 ? presencePenalty : 0) - count * frequencyPenalty;
  });
  const top = Math.max(...scores);
  let chances = scores.map((x) => Math.exp((x - top) / temperature));
  const normalise = (): void => {
    const sum = chances.reduce((a, b) => a + b, 0);
    chances = chances.map((p) => p / sum);
  };
  const order = chances.map((_, id) => id).toSorted((a, b) => chances[b]! - chances[a]! || a - b);
  const best = Math.max(...chances);
  chances = chances.map((p) => (p < minP * best ? 0 : p));
  if (topK > 0) for (const id of order.slice(topK)) chances[id] = 0;
  normalise();
  let mass = 0;
  for (const id of order) {
    if (mass >= topP) chances[id] = 0;
    mass += chances[id]!;
  }
  normalise();
  return chances;
}

const cases: Readonly<Record<string, SamplingOptions>> = {
  "nothing else": {},
  temperature: { temperature: 0.6 },
  "top-k": { topK: 3 },
  "top-p": { topP: 0.7 },
  "min-p": { minP: 0.2 },
  "a repetition penalty": { repetitionPenalty: 1.5 },
  "a presence penalty": { presencePenalty: 0.8 },
  "a frequency penalty, which the prompt escapes": { frequencyPenalty: 0.7, promptLength: 1 },
  "a bias": {
    logitBias: new Map([
      [2, 1.5],
      [3, -100],
    ]),
  },
  everything: {
    presencePenalty: 0.3,
    frequencyPenalty: -0.2,
    logitBias: new Map([[7, 1]]),
    temperature: 1.3,
    topK: 5,
    topP: 0.9,
    minP: 0.1,
    repetitionPenalty: 1.2,
  },
};

for (const [name, options] of Object.entries(cases))
  test(`draws follow the chances that ${name} leaves`, () => {
    const logits = [1.2, -0.3, 0.4, 2.0, -1.5, 0.9, 1.1, -0.2];
    const history = [3, 4, 3];
    const sample = createSampler({ ...options, seed: 11 });
    const counts = logits.map(() => 0);
    const draws = 20_000;
    for (let i = 0; i < draws; i++) {
      const id = sample(Float32Array.from(logits), history);
      counts[id] = counts[id]! + 1;
    }
    for (const [id, p] of expectedChances(logits, history, options).entries()) {
      // Five standard deviations of a binomial count; nothing where the chance is zero.
      const slack = 5 * Math.sqrt(draws * p * (1 - p));
      assert.ok(
        Math.abs(counts[id]! - draws * p) <= slack,
        `token ${id}: ${counts[id]} draws, expected ${(draws * p).toFixed(0)} ± ${slack.toFixed(0)}`,
      );
    }
  });

/** Chances by vLLM's steps in NumPy: reference/make_sampling_golden.py. */
const golden = JSON.parse(
  readFileSync(new URL("../../test/golden/sampling.json", import.meta.url), "utf8"),
) as {
  cases: {
    logits: number[];
    settings: Omit<SamplingOptions, "logitBias"> & {
      history: number[];
      logitBias?: [number, number][];
    };
    chances: number[];
  }[];
};

for (const { logits, settings, chances } of golden.cases) {
  const { history, logitBias = [], ...options } = settings;
  const names = Object.keys(settings).filter((key) => key !== "history");
  test(`draws follow the chances that vLLM's sampler leaves: ${names.join(", ")}`, () => {
    const sample = createSampler({ ...options, logitBias: new Map(logitBias), seed: 5 });
    const counts = logits.map(() => 0);
    const draws = 20_000;
    for (let i = 0; i < draws; i++) counts[sample(Float32Array.from(logits), history)]!++;
    for (const [id, p] of chances.entries())
      assert.ok(
        // Nothing at all where the chance is zero; the least of the others is drawn some 300 times.
        Math.abs(counts[id]! - draws * p) <= 5 * Math.sqrt(draws * p * (1 - p)),
        `token ${id}: ${counts[id]} draws, expected ${(draws * p).toFixed(0)}`,
      );
  });
}

test("temperature 0 takes the likeliest, the first of equals", () => {
  const sample = createSampler({ temperature: 0 });
  assert.equal(sample(Float32Array.of(1, 3, 3, 2), []), 1);
  assert.equal(argmax(Float32Array.of(-2, -1, -3)), 1);
});

test("the same seed draws the same tokens, another seed others", () => {
  const logits = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
  const draw = (seed: number): number[] => {
    const sample = createSampler({ seed });
    return Array.from({ length: 20 }, () => sample(logits, []));
  };
  assert.deepEqual(draw(4), draw(4));
  assert.notDeepEqual(draw(4), draw(5));
});

test("filters never choose a token they drop, for any logits", () => {
  fc.assert(
    fc.property(
      fc.array(fc.float({ noNaN: true, min: -30, max: 30 }), { minLength: 1, maxLength: 40 }),
      fc.record({
        topK: fc.integer({ min: 0, max: 50 }),
        topP: fc.double({ min: 0, max: 1, noNaN: true }),
        minP: fc.double({ min: 0, max: 1, noNaN: true }),
        seed: fc.integer({ min: 0, max: 1000 }),
      }),
      (logits, options) => {
        const chosen = createSampler(options)(Float32Array.from(logits), []);
        const better = logits.filter((x) => x > logits[chosen]! + 1e-3).length;
        assert.ok(options.topK === 0 || better < options.topK);
        const gap = Math.exp(logits[chosen]! - Math.max(...logits));
        assert.ok(gap >= options.minP * (1 - 1e-6));
      },
    ),
  );
});

test("a draw is that from all tokens sorted by chance and id, however far apart chances lie", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: -400, max: 400 }), { minLength: 1, maxLength: 60 }),
      fc.constantFrom(0.5, 1, 4, 100),
      fc.record({ topK: fc.integer({ min: 1, max: 70 }), seed: fc.nat(1000) }),
      (quarters, temperature, { topK, seed }) => {
        const logits = Float32Array.from(quarters, (x) => x / 4);
        const chosen = createSampler({ temperature, topK, seed })(logits, []);
        const top = Math.max(...logits);
        const weights = Float32Array.from(logits, (x) => Math.exp((x - top) / temperature));
        const order = Array.from(weights, (_, id) => id).toSorted(
          (a, b) => weights[b]! - weights[a]! || a - b,
        );
        const kept = order.slice(0, topK);
        const mass = kept.reduce((sum, id) => sum + weights[id]!, 0);
        let left = Random.fromSeed(seed, "sampling").uniform() * mass;
        const expected = kept.find((id) => (left -= weights[id]!) < 0);
        assert.equal(chosen, expected);
      },
    ),
  );
});

test("options out of range are refused by name", () => {
  assert.throws(() => createSampler({ temperature: -1 }), /temperature must lie in 0..100, got -1/);
  assert.throws(() => createSampler({ topK: 1.5 }), /topK/);
  assert.throws(() => createSampler({ topP: Number.NaN }), /topP/);
});
