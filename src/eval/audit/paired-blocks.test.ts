import assert from "node:assert/strict";
import { test } from "node:test";
import { toBeClose } from "../../../test/conformance/close.ts";
import { InvariantError } from "../../errors.ts";
import { Random } from "../../numerics/index.ts";
import { meanNats, numBlocksOf, pairedDifference } from "./paired-blocks.ts";

test("the interval is Student's t over the means of equal blocks", () => {
  // Four blocks of 256 tokens whose means differ by 1, 2, 3 and 6 from the base; t of 3 degrees is 3.182446.
  const means = [1, 2, 3, 6];
  const base = Float64Array.from({ length: 1024 }, (_, i) => 5 + Math.sin(i));
  const nats = base.map((x, i) => x + means[Math.floor(i / 256)]! + (i % 2 === 0 ? 0.5 : -0.5));
  const { mean, plusMinus } = pairedDifference(nats, base);
  const deviation = Math.sqrt((4 + 1 + 0 + 9) / 3);
  toBeClose([mean, plusMinus!], [3, (3.182446 * deviation) / 2], { rtol: 1e-6, atol: 0 });
  toBeClose([meanNats(nats) - meanNats(base)], [3], { rtol: 1e-12, atol: 0 });
});

test("nineteen intervals of twenty hold the true difference, of all tokens and of some that come in clusters", () => {
  const random = Random.fromSeed(5, "coverage");
  const trials = 400;
  const missed = { all: 0, some: 0 };
  for (let trial = 0; trial < trials; trial++) {
    const base = new Float64Array(256 * 12);
    // Neighbours share their luck over 64 tokens, as passages of a text do.
    let luck = 0;
    const nats = base.map((_, i) => {
      if (i % 64 === 0) luck = random.normal();
      return 0.25 + luck + random.normal();
    });
    const members = new Set<number>();
    for (let i = 0; i < nats.length; i += 64)
      if (random.uniform() < 0.4) for (let k = 0; k < 30; k++) members.add(i + k);
    for (const [name, has] of [
      ["all", undefined],
      ["some", (i: number) => members.has(i)],
    ] as const) {
      const { mean, plusMinus } = pairedDifference(nats, base, has);
      if (Math.abs(mean - 0.25) > plusMinus!) missed[name]++;
    }
  }
  // 5 % of 400 is 20, with a deviation of 4.4; a ratio of few clusters is a little too sure.
  for (const [name, count] of Object.entries(missed))
    assert.ok(count >= 7 && count <= 44, `${name}: ${count} of ${trials} missed`);
});

test("what is too short for two blocks has a mean and no interval", () => {
  const nats = Float64Array.of(1, 2, 3);
  assert.deepEqual(pairedDifference(nats, Float64Array.of(1, 1, 1)), {
    mean: 1,
    plusMinus: undefined,
  });
  const long = new Float64Array(1024).fill(2);
  const inOneBlock = pairedDifference(long, new Float64Array(1024), (i) => i < 100);
  assert.deepEqual(inOneBlock, { mean: 2, plusMinus: undefined });
  assert.equal(numBlocksOf(1e6), 100);
  assert.throws(() => pairedDifference(nats, long), InvariantError);
});
