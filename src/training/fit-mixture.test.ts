import assert from "node:assert/strict";
import { test } from "node:test";
import { Random } from "../numerics/index.ts";
import { fitMixture } from "./fit-mixture.ts";

/** Two sources, of which a number of evidence says which one is right. The hidden state is noise. */
function samples(count: number, isKnown: boolean) {
  const random = Random.fromSeed(1);
  const hidden = Float32Array.from({ length: 2 * count }, () => 40 + 3 * random.uniform());
  const evidence = new Float32Array(count);
  const chances = new Float32Array(2 * count);
  for (let n = 0; n < count; n++) {
    const isFirst = random.uniform() < 0.5;
    evidence[n] = isKnown && isFirst ? 100 : 0;
    chances.set(isFirst ? [0.5, 0.01] : [0.01, 0.5], 2 * n);
  }
  return { count, hidden, evidence, chances };
}

test("weights are found that know whom to believe, for numbers of any size", () => {
  const { hidden, evidence, bias, alone, mixed } = fitMixture(samples(2000, true));
  // Equal weights lose -log 0.255, perfect ones -log 0.5.
  assert.ok(Math.abs(alone + (Math.log(0.5) + Math.log(0.01)) / 2) < 0.3, String(alone));
  assert.ok(mixed < -Math.log(0.5) + 0.05, String(mixed));
  const shareOfFirst = (said: number): number => {
    const logits = [0, 1].map(
      (k) => hidden[2 * k]! * 41.5 + hidden[2 * k + 1]! * 41.5 + evidence[k]! * said + bias[k]!,
    );
    return 1 / (1 + Math.exp(logits[1]! - logits[0]!));
  };
  assert.ok(shareOfFirst(100) > 0.9 && shareOfFirst(0) < 0.1);
});

test("where nothing tells, equal weights are kept: what was learned by heart is not", () => {
  const { mixed } = fitMixture(samples(300, false));
  assert.ok(mixed <= -Math.log(0.255) + 0.02, String(mixed));
});

test("a state of many numbers that tell nothing does not drown the evidence", () => {
  const few = samples(320, true);
  const random = Random.fromSeed(2);
  const wide = 576;
  // Some numbers of a state are far larger at a few places.
  const hidden = Float32Array.from({ length: wide * few.count }, (_, i) => {
    const size = i % wide < 3 && random.uniform() < 0.01 ? 300 : 1;
    return size * (random.uniform() - 0.5);
  });
  const { mixed } = fitMixture({ ...few, hidden });
  assert.ok(mixed < -Math.log(0.5) + 0.1, String(mixed));
});
