import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as fc from "fast-check";
import { toBeClose } from "../../../test/conformance/close.ts";
import { buildCountedTable, CountedMemory, sortByContext, tableInRam } from "../../memory/index.ts";
import { KneserNey, NgramCounts } from "./kneser-ney.ts";
import { mixture } from "./mixture.ts";

interface Golden {
  readonly vocabSize: number;
  readonly trained: number[];
  readonly scored: number[];
  readonly at: number[];
  readonly model: number[];
  readonly cases: readonly {
    readonly order: number;
    readonly nats: number[];
    readonly mixed: { readonly weights: number[]; readonly nats: number[] };
  }[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../../test/golden/kneser-ney.json", import.meta.url), "utf8"),
) as Golden;
const { vocabSize, trained, scored, at } = golden;
const counts = await NgramCounts.count(trained, { maxOrder: 5, vocabSize });

for (const { order, nats, mixed } of golden.cases)
  test(`Kneser-Ney of order ${order} is the golden one, alone and mixed with a model`, () => {
    const found = KneserNey.of(counts, order).nats(scored, at);
    toBeClose(found, nats, { rtol: 1e-9, atol: 1e-9 });
    const together = mixture(Float64Array.from(golden.model), found);
    toBeClose(together.weights, mixed.weights, { rtol: 0, atol: 1e-12 });
    toBeClose(together.nats, mixed.nats, { rtol: 1e-8, atol: 1e-8 });
  });

test("the product's counted memory, which shares no code with this, gives the same chances", () => {
  const text = { tokens: Uint16Array.from(trained), starts: new Uint32Array(0) };
  for (const order of [2, 3, 4, 5]) {
    const table = tableInRam(
      buildCountedTable(sortByContext(text, { order, vocabSize }), { vocabSize }),
    );
    const reader = new CountedMemory(table, { layerId: 0 }).reader();
    const addresses = reader.address([{ ids: scored, from: 0, to: scored.length }]);
    const { distributions } = reader.lookUp(addresses, new Map());
    const chances = new Float32Array(order - 1);
    const nats = golden.at.map((t) => {
      distributions!.chances(t - 1, scored[t]!, chances);
      return -Math.log(chances[order - 2]!);
    });
    toBeClose(KneserNey.of(counts, order).nats(scored, golden.at), nats, {
      rtol: 1e-5,
      atol: 1e-5,
    });
  }
});

const contexts = fc.array(fc.integer({ min: 0, max: vocabSize - 1 }), { maxLength: 6 });

test("chances sum to one over the vocabulary behind any context, whatever was pruned, and mixed", () => {
  for (const order of [1, 2, 3, 4, 5]) {
    const whole = KneserNey.of(counts, order);
    for (const model of [whole, ...[0, 1, 40, 700].map((most) => whole.pruned(most))])
      fc.assert(
        fc.property(contexts, fc.nat({ max: 3990 }), (random, from) => {
          for (const context of [random, trained.slice(from, from + 6)]) {
            const chances = model.chances(context);
            assert.ok(chances.every((p) => p > 0 && p <= 1));
            const sum = chances.reduce((total, p) => total + p, 0);
            assert.ok(Math.abs(sum - 1) < 1e-12, `${sum}`);
            const flat = chances.map(() => 1 / vocabSize);
            const mixed = chances.map((p, id) => 0.37 * p + 0.63 * flat[id]!);
            assert.ok(Math.abs(mixed.reduce((total, p) => total + p, 0) - 1) < 1e-12);
          }
        }),
        { numRuns: 15 },
      );
  }
});

test("a token's nats are those of its chance in the whole vocabulary", () => {
  for (const model of [KneserNey.of(counts, 3), KneserNey.of(counts, 4).pruned(500)])
    for (const t of [1, 2, 3, 50, 301, 599]) {
      const chance = model.chances(scored.slice(Math.max(0, t - 6), t))[scored[t]!]!;
      toBeClose(model.nats(scored, [t]), [-Math.log(chance)], { rtol: 1e-12, atol: 0 });
    }
});

test("pruning keeps as many n-grams as it is told, and the dearest: less room never does better on the training text", () => {
  const whole = KneserNey.of(counts, 4);
  const every = Uint32Array.from({ length: trained.length - 1 }, (_, i) => i + 1);
  const meanOf = (model: KneserNey): number =>
    model.nats(trained, every).reduce((sum, x) => sum + x, 0) / every.length;
  assert.equal(whole.pruned(whole.numNgrams), whole);
  let before = meanOf(whole);
  for (const share of [0.9, 0.5, 0.2, 0.05, 0]) {
    const most = Math.floor(share * whole.numNgrams);
    const model = whole.pruned(most);
    assert.equal(model.numNgrams, most);
    const mean = meanOf(model);
    assert.ok(mean > before, `${share}: ${mean} after ${before}`);
    before = mean;
  }
  toBeClose([before], [Math.log(vocabSize)], { rtol: 1e-12, atol: 0 });
  // Which ones are kept matters.
  const byCost = meanOf(whole.pruned(Math.floor(0.5 * whole.numNgrams)));
  assert.ok(byCost < meanOf(KneserNey.of(counts, 2)), "half of order 4 is worth more than order 2");
});

test("a text that was never counted costs what a uniform guess costs, or the unigrams", async () => {
  const nothing = await NgramCounts.count([], { maxOrder: 3, vocabSize: 8 });
  toBeClose(KneserNey.of(nothing, 3).nats([1, 2, 3], [1, 2]), [Math.log(8), Math.log(8)], {
    rtol: 1e-12,
    atol: 0,
  });
});

test("counting can be stopped, and refuses what it could not hold", async () => {
  const options = { maxOrder: 3, vocabSize };
  await assert.rejects(
    NgramCounts.count(trained, { ...options, signal: AbortSignal.abort() }),
    /aborted/i,
  );
  await assert.rejects(
    NgramCounts.count({ length: 2 ** 24 + 1 }, options),
    /1\.\.16777216 tokens are counted/,
  );
});
