import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { emptyBatch, fillWindow, spansOf, type TokenStream } from "../inference/index.ts";
import { fillBatch, learningRate, packDocuments, utf8Length, WindowOrder } from "./index.ts";

function streamOf(lengths: readonly number[]): TokenStream {
  const starts: number[] = [];
  let at = 0;
  for (const length of lengths) {
    starts.push(at);
    at += length;
  }
  return {
    tokens: Uint16Array.from({ length: at }, (_, i) => i),
    starts: Uint32Array.from(starts),
    numBytes: at,
  };
}

test("a window numbers its documents and marks where they start", () => {
  const batch = emptyBatch(1, 8);
  fillWindow(streamOf([3, 4, 5]), 2, batch, 0);
  assert.deepEqual([...batch.ids], [2, 3, 4, 5, 6, 7, 8, 9]);
  assert.deepEqual([...batch.labels], [3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual([...batch.segments], [1, 2, 2, 2, 2, 3, 3, 3]);
  assert.deepEqual(
    spansOf(batch).map(({ begin, from, to }) => [begin, from, to]),
    [
      [0, 0, 1],
      [1, 1, 5],
      [5, 5, 8],
    ],
  );
});

test("a window beyond the stream's end carries no weight there", () => {
  const batch = emptyBatch(1, 6);
  fillWindow(streamOf([4]), 1, batch, 0);
  assert.deepEqual(
    [...batch.weights].map((w) => w > 0),
    [true, true, false, false, false, false],
  );
  assert.equal(new Set(batch.segments.subarray(2)).size, 4);
});

test("an epoch visits every window once, the next one others in another order", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 40, max: 400 }),
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 0, max: 1000 }),
      (numTokens, length, seed) => {
        const order = new WindowOrder(streamOf([numTokens]), { length, seed });
        const epoch = (e: number): number[] =>
          Array.from({ length: order.perEpoch }, (_, i) => order.start(e * order.perEpoch + i));
        const first = epoch(0).toSorted((a, b) => a - b);
        for (const [i, start] of first.entries()) assert.equal(start, first[0]! + i * length);
        assert.ok(first[0]! >= 0 && first.at(-1)! + length < numTokens);
        assert.deepEqual(epoch(0), epoch(0), "going back gives the same windows");
      },
    ),
  );
});

test("every token but the first is a label in some epoch, the text's last included", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 12 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 0, max: 1000 }),
      (length, more, seed) => {
        const numTokens = 2 * length + more;
        const order = new WindowOrder(streamOf([numTokens]), { length, seed });
        const labels = new Set<number>();
        // Of fewer than 24 offsets each is drawn in 900 epochs, but for one chance in 10^15.
        for (let i = 0; i < 900 * order.perEpoch; i++)
          for (let t = 1; t <= length; t++) labels.add(order.start(i) + t);
        const all = Array.from({ length: numTokens - 1 }, (_, i) => i + 1);
        assert.deepEqual(
          [...labels].toSorted((a, b) => a - b),
          all,
        );
      },
    ),
    { numRuns: 20 },
  );
});

test("the order depends on the seed", () => {
  const stream = streamOf([5000]);
  const starts = (seed: number): number[] => {
    const order = new WindowOrder(stream, { length: 8, seed });
    return Array.from({ length: 50 }, (_, i) => order.start(i));
  };
  assert.deepEqual(starts(1), starts(1));
  assert.notDeepEqual(starts(1), starts(2));
});

test("a batch's weights sum to one", () => {
  const stream = streamOf([100, 200]);
  const order = new WindowOrder(stream, { length: 8, seed: 0 });
  const batch = emptyBatch(5, 8);
  fillBatch(stream, order, { index: 3, batch });
  const sum = batch.weights.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum - 1) < 1e-6);
});

test("too little text is refused with the numbers", () => {
  assert.throws(
    () => new WindowOrder(streamOf([20]), { length: 16, seed: 0 }),
    /has 20 tokens; at least 33 are needed/,
  );
});

test("each document is packed behind its end-of-text token", async () => {
  const tokenizer = {
    vocabSize: 256,
    eosTokenId: 0,
    encode: (text: string) => Int32Array.from(text, (c) => c.charCodeAt(0)),
  };
  const stream = await packDocuments([{ text: "ab" }, { text: "" }, { text: "c" }], tokenizer);
  assert.deepEqual([...stream.tokens], [0, 97, 98, 0, 0, 99]);
  assert.deepEqual([...stream.starts], [0, 3, 4]);
  assert.equal(stream.numBytes, 3);
});

test("bytes are counted as UTF-8 has them, lone surrogates included", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(utf8Length(text), new TextEncoder().encode(text).length);
    }),
  );
  assert.equal(utf8Length("\ud800x\udc00"), new TextEncoder().encode("\ud800x\udc00").length);
});

test("the learning rate warms up, then falls to nearly nothing, never to nothing", () => {
  const schedule = { peak: 1, warmupSteps: 4, totalSteps: 14 };
  const rates = Array.from({ length: 14 }, (_, step) => learningRate(schedule, step));
  assert.deepEqual(rates.slice(0, 5), [0.25, 0.5, 0.75, 1, 1]);
  assert.ok(rates.every((rate, i) => i < 5 || rate < rates[i - 1]!));
  assert.ok(rates.at(-1)! > 0 && rates.at(-1)! <= 0.1);
});
