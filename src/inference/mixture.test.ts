import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig } from "../../test/models/random-model.ts";
import {
  buildCountedTable,
  composed,
  CountedMemory,
  type Memory,
  sortByContext,
  tableInRam,
} from "../memory/index.ts";
import { Random } from "../numerics/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { referenceBackend } from "../tensor/index.ts";
import { RequestError } from "../errors.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { Decoder, type LanguageModel, Scorer, withoutMemory } from "./index.ts";
import { mixedLoss, mixLogits, mixProbs, weightsUnder } from "./mixture.ts";
import { sharedPrefix, type View } from "./view.ts";

const order = 4;
const { vocabSize, numLayers } = smallConfig;
const near = { rtol: 1e-4, atol: 1e-5 };

function countedMemory(): CountedMemory {
  const random = Random.fromSeed(1, "text");
  const tokens = Uint16Array.from({ length: 600 }, (_, i) =>
    i % 150 === 0 ? 0 : 1 + random.int(6),
  );
  const starts = Uint32Array.of(0, 150, 300, 450);
  const sorted = sortByContext({ tokens, starts }, { order, vocabSize });
  return new CountedMemory(tableInRam(buildCountedTable(sorted, { vocabSize })), {
    layerId: numLayers,
  });
}

async function model(
  kind: "counts" | "both",
  backend = referenceBackend(),
): Promise<LanguageModel> {
  const { engram, ...sizes } = smallConfig;
  const config = { ...sizes, ...(kind === "both" && { engram }), counted: { order } };
  const { memory: rows, ...random } = await randomModel(backend, config);
  for (const [name, { data }] of Object.entries(random.params))
    if (name.startsWith("memory_mixture"))
      Random.fromSeed(2, name).fillNormal(data as Float32Array, 0.5);
  return { ...random, memory: composed([rows, countedMemory()])! };
}

const text = [0, 3, 1, 2, 5, 5, 4, 0, 2, 3, 1, 6, 2, 2, 1, 3];

const softmax = (logits: Float32Array): Float32Array => {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const powers = logits.map((x) => Math.exp(x - most));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / sum);
};

const sumOf = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);

test("weights sum to one at every scale, which moves the memory's odds", () => {
  const raw = fc.array(fc.float({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 6 });
  fc.assert(
    fc.property(raw, fc.double({ min: 0, max: 1e6, noNaN: true }), (parts, scale) => {
      fc.pre(sumOf(parts) > 0);
      const weights = Float32Array.from(parts, (part) => part / sumOf(parts));
      const scaled = weightsUnder(weights, weights.length, { scale });
      assert.ok(Math.abs(sumOf(scaled) - 1) < 1e-5, `${[...scaled].join()} at ${scale}`);
      if (scale === 0) assert.deepEqual([...scaled], [1, ...weights.slice(1).map(() => 0)]);
      const odds = (of: Float32Array): number => sumOf(of.subarray(1)) / of[0]!;
      if (weights[0]! > 0.01 && scaled[0]! > 0.01)
        assert.ok(Math.abs(odds(scaled) - scale * odds(weights)) < 1e-2 * (1 + odds(scaled)));
    }),
  );
  assert.deepEqual([...weightsUnder(Float32Array.of(0, 1), 2, { scale: 0 })], [1, 0]);
  assert.deepEqual([...weightsUnder(Float32Array.of(0, 1), 2, { scale: 1e-60 })], [0, 1]);
});

test("weights are held, and each distribution's odds moved, by a view", async () => {
  const weights = Float32Array.of(0.5, 0.3, 0.2, 0.1, 0.1, 0.8);
  const under = (mixture: View["mixture"], scale = 1): number[] => [
    ...weightsUnder(weights, 3, { scale, mixture }),
  ];
  const held = [0.25, 0.5, 0.25];
  assert.deepEqual(under({ held }), [...held, ...held]);
  toBeClose(under({ odds: [1, 0] }), [5 / 8, 3 / 8, 0, 1 / 2, 1 / 2, 0], near);
  toBeClose(under({ odds: [0, 2] }, 0.5), [5 / 7, 0, 2 / 7, 1 / 9, 0, 8 / 9], near);
  assert.deepEqual(under({ odds: [0, 0] }), [1, 0, 0, 1, 0, 0]);
  toBeClose(under({ held, odds: [1, 0] }), [1 / 3, 2 / 3, 0, 1 / 3, 2 / 3, 0], near);
  assert.deepEqual(
    [...weightsUnder(Float32Array.of(0, 1), 2, { scale: 1, mixture: { odds: [0] } })],
    [1, 0],
  );

  const of = await model("counts");
  const decoder = new Decoder(of);
  const ofAll = { held: [0.4, 0.3, 0.2, 0.1] };
  const { mixture } = await decoder.createSession({ view: { mixture: ofAll } }).append(text);
  toBeClose(mixture.slice(-order), ofAll.held, near);
  for (const wrong of [
    { held: [1, 0] },
    { held: [0.5, 0.5, 0.5, 0.5] },
    { held: [2, -1, 0, 0] },
    { odds: [1, 1] },
    { odds: [1, -1, 1] },
    { odds: [1, Number.NaN, 1] },
  ])
    assert.throws(() => decoder.createSession({ view: { mixture: wrong } }), RequestError);
  const bare = new Decoder(withoutMemory(of));
  assert.throws(() => bare.createSession({ view: { mixture: ofAll } }), RequestError);
  const { memory } = of;
  assert.equal(sharedPrefix({ memory, scale: 1 }, { memory, scale: 1 }, text), text.length);
  assert.equal(sharedPrefix({ memory, scale: 1 }, { memory, scale: 1, mixture: ofAll }, text), 0);
});

test("logits, chances and losses are mixed alike", () => {
  const memory = countedMemory();
  const reader = memory.reader();
  const of = reader.lookUp(
    reader.address([{ ids: text, from: 0, to: text.length }]),
    new Map(),
  ).distributions!;
  const weights = Float32Array.of(0.4, 0.1, 0.2, 0.3);
  const chances = new Float32Array(of.count);
  for (let position = 0; position < text.length; position++) {
    const logits = Float32Array.from({ length: vocabSize }, (_, id) => Math.sin(7 * id + position));
    const own = softmax(logits);
    const probs = own.slice();
    mixProbs(probs, weights, { of, position });
    assert.ok(Math.abs(sumOf(probs) - 1) < 1e-5);
    mixLogits(logits, weights, { of, position });
    toBeClose(logits.map(Math.exp), probs, near);
    for (let id = 0; id < vocabSize; id++) {
      of.chances(position, id, chances);
      const loss = mixedLoss(-Math.log(own[id]!), weights, chances);
      assert.ok(Math.abs(Math.exp(-loss) - probs[id]!) < 1e-6);
    }
  }
});

for (const [engine, backend] of [
  ["reference", referenceBackend],
  ["onnx", () => ortBackend({ threads: 1 })],
] as const)
  for (const kind of ["counts", "both"] as const)
    test(`sessions, pieces, forks, batches and scorers say the same (${kind}, ${engine})`, async () => {
      const of = await model(kind, backend());
      await using decoder = new Decoder(of);
      const whole = decoder.createSession();
      const { logits, mixture } = await whole.append(text, { logits: "all" });
      const at = (position: number): Float32Array =>
        logits.slice(position * vocabSize, (position + 1) * vocabSize);
      assert.equal(mixture.length, text.length * order);
      for (let t = 0; t < text.length; t++)
        assert.ok(Math.abs(sumOf(at(t).map(Math.exp)) - 1) < 1e-5, `position ${t}`);

      const pieces = decoder.createSession();
      for (const [t, id] of text.entries())
        toBeClose((await pieces.append([id])).logits, at(t), near);
      const first = decoder.createSession();
      await first.append(text.slice(0, 9));
      const fork = await first.fork();
      toBeClose((await fork.append(text.slice(9))).logits, at(text.length - 1), near);

      const batch = new BatchDecoder(decoder, { slots: 3 });
      await batch.sessions[0]!.append(text.slice(0, 5));
      await batch.sessions[2]!.append(text.slice(0, 11));
      const read = await batch.step([
        { slot: 2, id: text[11]! },
        { slot: 0, id: text[5]! },
      ]);
      toBeClose(read[0]!.logits, at(11), near);
      toBeClose(read[1]!.logits, at(5), near);
      // Behind one timeline's memory another one's: each is asked for by itself.
      const other = await model(kind, backend());
      batch.sessions[1]!.restart({ memory: other.memory, scale: 0.5 });
      await batch.sessions[1]!.append(text.slice(0, 3));
      const alone = decoder.createSession({ view: { memory: other.memory, scale: 0.5 } });
      await alone.append(text.slice(0, 3));
      const mixed = await batch.step([
        { slot: 0, id: text[6]! },
        { slot: 1, id: text[3]! },
      ]);
      toBeClose(mixed[0]!.logits, at(6), near);
      toBeClose(mixed[1]!.logits, (await alone.append([text[3]!])).logits, near);

      await using scorer = await Scorer.create(of, { batch: 2, length: 16, probs: true });
      const stream = { tokens: Uint16Array.from(text), starts: Uint32Array.of(0), numBytes: 1 };
      const nats = new Map<number, number>();
      await scorer.score(stream, { onToken: (label, loss) => nats.set(label, loss) });
      assert.equal(nats.size, text.length - 1);
      for (const [label, loss] of nats)
        assert.ok(Math.abs(loss + at(label - 1)[text[label]!]!) < 1e-3, `label ${label}`);
    });

test("a scale of 0 and no memory are the bare backbone, to the bit", async () => {
  for (const kind of ["counts", "both"] as const) {
    const of = await model(kind);
    const bare = await new Decoder(withoutMemory(of)).createSession().append(text);
    const off = await new Decoder(of).createSession({ view: { scale: 0 } }).append(text);
    assert.deepEqual(off.logits, bare.logits);
  }
});

test("another memory's distributions are read where a view names it", async () => {
  const of = await model("counts");
  const empty = {
    tokens: Uint16Array.of(0, 1),
    starts: Uint32Array.of(0),
  };
  const sorted = sortByContext(empty, { order, vocabSize });
  const memory: Memory = new CountedMemory(tableInRam(buildCountedTable(sorted, { vocabSize })), {
    layerId: numLayers,
  });
  const decoder = new Decoder(of);
  const own = (await decoder.createSession().append(text)).logits.slice();
  const others = (await decoder.createSession({ view: { memory } }).append(text)).logits;
  assert.notDeepEqual(others, own);
});
