/** Audits of models with a counted memory, alone and beside learned rows. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { toBeClose } from "../../../test/conformance/close.ts";
import { servedModel } from "../../../test/models/served-model.ts";
import { type LanguageModel, Scorer } from "../../inference/index.ts";
import { packDocuments } from "../../training/index.ts";
import { audit } from "./audit.ts";
import { pathsOf } from "./paths.ts";
import { scoreText } from "./scored-text.ts";

const countedOrder = 4;
const sentence = "the cat sat on the mat and THE Cat sat again ";

for (const hasRows of [false, true])
  describe(`an audit of a model with counts ${hasRows ? "and learned rows" : "alone"}`, async () => {
    const model = await servedModel({ contextSize: 32, countedOrder, hasMemory: hasRows });
    const donor = await servedModel({ contextSize: 32, countedOrder, hasMemory: hasRows });
    after(() => Promise.all([model.close(), donor.close()]));
    const pack = (text: string) => packDocuments([{ text }], model.tokenizer);
    const text = await pack(sentence.repeat(40));
    const trained = await pack(
      "the cat sat on the mat and the Cat sat on THE mat again ".repeat(20),
    );
    const report = await audit(model, { text, trained, donor });
    const natsOf = (name: string): number =>
      report.rows.find((row) => row.name === name)!.natsPerToken;

    test("has every control in its table", () => {
      const rows = [
        ["rows shuffled", "rows' mean", "noise of rows' lengths", "donor's table"],
        ["gate at its mean", "gate at 0.5", "counts alone", "order 2 alone", "order 3 alone"],
        ["head 0 alone", "head 1 alone"],
      ].flat();
      const orders = [2, 3, 4].map((order) => `counts of order ${order} alone`);
      assert.deepEqual(
        report.rows.filter(({ group }) => !group.startsWith("counting")).map(({ name }) => name),
        [
          "on",
          "off",
          ...(hasRows ? rows : []),
          "donor's counts",
          "weights at their mean",
          "weights all equal",
          ...(hasRows ? ["rows alone"] : []),
          ...orders,
        ],
      );
      const figures = new Set(report.rows.map(({ natsPerToken }) => natsPerToken));
      assert.ok(figures.size > 10);
      const added = report.rows.find(({ name }) => name === "on + Kneser-Ney 4")!;
      assert.ok(added.difference !== null && added.weights !== undefined);
      const ofRows = (model.rows?.tables ?? []).map(({ store }) => store.numRows * store.rowBytes);
      assert.equal(
        report.tableBytes,
        ofRows.reduce((sum, bytes) => sum + bytes, model.counts!.numBytes),
      );
    });

    test("tells the mean weights, which sum to one", async () => {
      const mixture = Object.values(report.mixture!);
      assert.equal(mixture.length, countedOrder);
      assert.ok(Math.abs(mixture.reduce((a, b) => a + b) - 1) < 1e-5);
      assert.deepEqual(mixture, (await scoreText(model.language, text)).mixture);
    });

    test("has for a kind alone what a model has that has no other", async () => {
      const meanOf = async (language: LanguageModel): Promise<number> => {
        const { nats } = await scoreText(language, text);
        return nats.reduce((sum, one) => sum + one, 0) / nats.length;
      };
      const { counted: _, ...withoutCounts } = model.config;
      const rowsAlone = { ...model.language, config: withoutCounts, memory: model.rows };
      const near = { rtol: 1e-5, atol: 0 };
      toBeClose([natsOf(hasRows ? "rows alone" : "off")], [await meanOf(rowsAlone)], near);
      const { engram: __, ...withoutRows } = model.config;
      const countsAlone = { ...model.language, config: withoutRows, memory: model.counts };
      toBeClose([natsOf(hasRows ? "counts alone" : "on")], [await meanOf(countsAlone)], near);
    });

    test("mixes each order's counts in by its own odds against the backbone", async () => {
      await using own = await Scorer.create(model.language, { batch: 1 });
      const sums = new Map<number, number>();
      let tokens = 0;
      const reader = model.counts!.reader();
      const bare = model.rows === undefined ? "off" : "rows alone";
      const view = bare === "off" ? { scale: 0 } : { mixture: { odds: [0, 0, 0] } };
      const { nats, at } = await scoreText(model.language, text, { view });
      const backbone = new Map(Array.from(at, (label, i) => [label, Math.exp(-nats[i]!)]));
      for await (const batch of own.batches(text))
        for (const { at: place, label, windowStart } of batch.tokens) {
          tokens++;
          const ids = text.tokens.subarray(windowStart, label);
          const span = { ids, from: ids.length - 1, to: ids.length };
          const { distributions } = reader.lookUp(reader.address([span]), new Map());
          const chances = new Float32Array(countedOrder - 1);
          distributions!.chances(0, text.tokens[label]!, chances);
          const weights = batch.mixture!.subarray(place * countedOrder, (place + 1) * countedOrder);
          for (const [i, chance] of chances.entries()) {
            const [w, b] = [weights[i + 1]!, weights[0]!];
            const mixed = (b * backbone.get(label)! + w * chance) / (b + w);
            sums.set(i + 2, (sums.get(i + 2) ?? 0) - Math.log(mixed));
          }
        }
      for (const [order, sum] of sums)
        toBeClose([natsOf(`counts of order ${order} alone`)], [sum / tokens], {
          rtol: 1e-4,
          atol: 0,
        });
    });

    test("the chances of every path sum to one over the vocabulary", async () => {
      const gates = new Map(hasRows ? [[1, 0.3]] : []);
      const mixture = [0.4, 0.3, 0.2, 0.1];
      const paths = await pathsOf(model, { text, gates, mixture, donor, seed: 0 });
      assert.equal(paths.length, hasRows ? 18 : 6);
      const { vocabSize } = model.tokenizer;
      for (const { name, view } of paths) {
        await using scorer = await Scorer.create(model.language, { probs: true, batch: 2, view });
        for await (const { tokens, losses } of scorer.batches(text, { maxTokens: 40 }))
          for (const { at, label } of tokens) {
            const chances = (scorer.probs!.data as Float32Array).subarray(
              at * vocabSize,
              (at + 1) * vocabSize,
            );
            const sum = chances.reduce((total, p) => total + p, 0);
            assert.ok(Math.abs(sum - 1) < 1e-5, `${name}: ${sum}`);
            const expected = chances[text.tokens[label]!]!;
            toBeClose([Math.exp(-losses[at]!)], [expected], { rtol: 1e-4, atol: 1e-9 });
          }
      }
    });

    test("finds what is copied, and classes up to its longest n-grams", () => {
      assert.deepEqual(
        report.copied.map(({ name }) => name),
        ["the text itself", "on, greedy", "on, drawn", "off, greedy", "off, drawn"],
      );
      const ofTraining = report.classes.filter(({ by }) => by === "training");
      assert.deepEqual([...new Set(ofTraining.map(({ order }) => order))], [2, 3, 4]);
    });
  });
