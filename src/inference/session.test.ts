import assert from "node:assert/strict";
import test, { describe } from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig, smallEngram } from "../../test/models/random-model.ts";
import { RequestError, StoreError } from "../errors.ts";
import { evalGraph, io, type ModelConfig, rotaryInputs } from "../model/index.ts";
import { ablated, addressBatch, compressIds, HashedMemory, Retrieval } from "../memory/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { type Backend, referenceBackend, runOnce, type Value, zeros } from "../tensor/index.ts";
import { Decoder, type LanguageModel, Scorer, type View, withoutMemory } from "./index.ts";
import { inputsOf } from "./language-model.ts";

const text = [0, 7, 3, 3, 38, 12, 7, 3, 21, 5, 5, 5, 9, 30, 2, 17, 7, 3];
const near = { rtol: 1e-3, atol: 1e-4 };

/** -log p of each next token of `ids`, by the packed graph: no cache, one pass, other code. */
async function packedLosses(model: LanguageModel, ids: readonly number[]): Promise<Float32Array> {
  const { config, memory } = model;
  const length = ids.length - 1;
  const graph = evalGraph(config, { batch: 1, length });
  const inputs: Record<string, Value> = { ...inputsOf(graph, model.params) };
  for (const [name, { dtype, shape }] of graph.inputs) inputs[name] ??= zeros(dtype, shape);
  inputs[io.ids]!.data.set(ids.slice(0, -1));
  inputs[io.labels]!.data.set(ids.slice(1));
  inputs[io.segments]!.data.fill(1);
  Object.assign(inputs, rotaryInputs(config, length));
  if (memory instanceof HashedMemory) {
    const compressed = compressIds(memory.tokenMap, ids.slice(0, -1));
    const rows = addressBatch(memory.addressing, compressed, { sequenceLength: length });
    const retrieval = new Retrieval(memory.tables);
    for (const [i, layerId] of config.engram!.layerIds.entries())
      await retrieval.retrieve(layerId, {
        rows: rows[i]!,
        memory_PE: inputs[io.memory(layerId)]!.data as Float32Array,
      });
  }
  return (await runOnce(model.backend, graph, inputs))[io.loss]!.data as Float32Array;
}

function lossesOf(logits: Float32Array, ids: readonly number[], vocabSize: number): Float32Array {
  return Float32Array.from({ length: ids.length - 1 }, (_, t) => {
    const row = Array.from(logits.subarray(t * vocabSize, (t + 1) * vocabSize));
    const top = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - top), 0);
    return top + Math.log(total) - row[ids[t + 1]!]!;
  });
}

const models: Readonly<Record<string, ModelConfig>> = {
  "grouped heads and a memory": smallConfig,
  "a short convolution": { ...smallConfig, engramKernelSize: 4 },
  "a constant gate": { ...smallConfig, engramGate: 0.5 },
  "two memory layers of three orders, untied head": {
    ...smallConfig,
    tieEmbeddings: false,
    engram: { ...smallEngram, layerIds: [0, 1], maxNgramSize: 4, minBucketRows: [31, 31, 53] },
  },
};
const backends: Readonly<Record<string, () => Backend>> = {
  reference: referenceBackend,
  onnx: () => ortBackend({ threads: 2 }),
};

for (const [backendName, makeBackend] of Object.entries(backends))
  for (const [modelName, config] of Object.entries(models))
    describe(`a session with ${modelName} on ${backendName}`, () => {
      test("predicts what one pass without a cache predicts", async () => {
        const model = await randomModel(makeBackend(), config);
        const session = new Decoder(model).createSession();
        const logits = (await session.append(text, { logits: "all" })).logits;
        const losses = lossesOf(logits, text, config.vocabSize);
        toBeClose(losses, await packedLosses(model, text), near);
      });

      test("gives the same logits however its text is split", async () => {
        const decoder = new Decoder(await randomModel(makeBackend(), config));
        const whole = (await decoder.createSession().append(text)).logits;
        for (const sizes of [[1], [2, 9, 1, 6], [8, 8, 2], [17, 1]]) {
          const session = decoder.createSession();
          let logits: Float32Array | undefined;
          for (let at = 0, i = 0; at < text.length; i++) {
            const size = sizes[i % sizes.length]!;
            logits = (await session.append(text.slice(at, at + size))).logits;
            at += size;
          }
          assert.deepEqual(session.ids, text);
          toBeClose(logits!, whole, near);
        }
      });

      test("forgets what it is rewound over, and forks without a trace", async () => {
        const decoder = new Decoder(await randomModel(makeBackend(), config));
        const whole = (await decoder.createSession().append(text)).logits;
        const session = decoder.createSession();
        await session.append([...text.slice(0, 10), 1, 1, 39, 1]);
        session.rewind(10);
        const fork = session.fork();
        await session.append([25, 26, 27]);
        toBeClose((await fork.append(text.slice(10))).logits, whole, near);
        session.rewind(10);
        toBeClose((await session.append(text.slice(10))).logits, whole, near);
      });
    });

test("hidden states times the head are the logits, however the text is split", async () => {
  for (const [backend, config] of [
    [referenceBackend(), smallConfig],
    [ortBackend({ threads: 2 }), { ...smallConfig, tieEmbeddings: false }],
  ] as const) {
    const model = await randomModel(backend, config);
    const decoder = new Decoder(model);
    const session = decoder.createSession();
    const parts = [
      (await session.append(text.slice(0, 11), { logits: "none" })).hidden,
      (await session.append(text.slice(11), { logits: "none" })).hidden,
    ];
    const hidden = parts.flatMap((part) => [...part]);
    const { data: head } =
      model.params[config.tieEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"]!;
    const D = config.hiddenSize;
    const logits = Float32Array.from({ length: text.length * config.vocabSize }, (_, i) => {
      const [t, v] = [Math.floor(i / config.vocabSize), i % config.vocabSize];
      let sum = 0;
      for (let d = 0; d < D; d++) sum += hidden[t * D + d]! * head[v * D + d]!;
      return sum;
    });
    toBeClose(logits, (await decoder.createSession().append(text, { logits: "all" })).logits, near);
  }
});

test("a session fills its context to the last token and not beyond", async () => {
  const session = new Decoder(await randomModel(referenceBackend())).createSession();
  await session.append(Array(smallConfig.maxPositions - 3).fill(5));
  await session.append([1, 2, 3]);
  assert.equal(session.remaining, 0);
  await assert.rejects(session.append([4]), /32 \+ 1 tokens exceed the model's context of 32/);
});

test("memory changes predictions, and switching it off is the backbone alone", async () => {
  const model = await randomModel(ortBackend({ threads: 2 }));
  const on = (await new Decoder(model).createSession().append(text)).logits;
  const off = (await new Decoder(withoutMemory(model)).createSession().append(text)).logits;
  assert.notDeepEqual(on, off);
  const empty: LanguageModel = {
    ...model,
    memory: model.memory!.withTables((table) => ({
      ...table,
      store: {
        numRows: table.store.numRows,
        rowBytes: table.store.rowBytes,
        read: async (_rows: Uint32Array, into: Uint8Array) => void into.fill(0),
        close: async () => undefined,
      },
    })),
  };
  assert.deepEqual((await new Decoder(empty).createSession().append(text)).logits, off);
});

test("a store that fails leaves the session as it was", async () => {
  const model = await randomModel(referenceBackend());
  const [table] = model.memory!.tables;
  let failing = false;
  const store = {
    numRows: table!.store.numRows,
    rowBytes: table!.store.rowBytes,
    async read(rows: Uint32Array, into: Uint8Array) {
      if (failing) throw new StoreError("the disk is gone");
      await table!.store.read(rows, into);
    },
    close: async () => undefined,
  };
  const broken = { ...model, memory: model.memory!.withTables((one) => ({ ...one, store })) };
  const session = new Decoder(broken).createSession();
  await session.append(text.slice(0, 10));
  failing = true;
  await assert.rejects(session.append(text.slice(10)), /the disk is gone/);
  assert.equal(session.length, 10);
  failing = false;
  const whole = (await new Decoder(model).createSession().append(text)).logits;
  toBeClose((await session.append(text.slice(10))).logits, whole, near);
});

test("ids outside the vocabulary, empty appends and appends at once are refused", async () => {
  const session = new Decoder(await randomModel(referenceBackend())).createSession();
  await assert.rejects(session.append([3, 40]), /token id 40 at position 1 is outside .* 0\.\.39/);
  await assert.rejects(session.append([]), RequestError);
  const first = session.append([1, 2]);
  await assert.rejects(session.append([3]), /still appending/);
  await first;
  await session.dispose();
  await assert.rejects(session.append([3]), /disposed/);
});

test("a scorer finds the likelihoods and gates that a session finds, under any view, over several windows", async () => {
  const model = await randomModel(referenceBackend());
  const views: Partial<View>[] = [
    {},
    { memory: ablated(model.memory!, { orders: [3] }), scale: 0.5 },
    { gates: new Map([[1, 0.25]]) },
  ];
  const ids = Array.from({ length: 75 }, (_, i) => (i * i + 3 * (i >> 2)) % 40);
  const stream = {
    tokens: Uint16Array.from(ids),
    starts: Uint32Array.of(0, 20),
    numBytes: 100,
  };
  // Windows begin every 4 tokens; the last 4 labels of each are scored, all 16 of the first.
  const decoder = new Decoder(model);
  for (const view of views) {
    const scorer = await Scorer.create(model, { batch: 2, length: 16, view });
    const score = await scorer.score(stream, { stride: 4 });
    let nats = 0;
    let gateSum = 0;
    let numTokens = 0;
    for (let start = 0; start + 12 < ids.length - 1; start += 4) {
      const window = ids.slice(start, start + 17);
      for (const [from, to] of [
        [0, Math.max(0, 20 - start)],
        [Math.max(0, 20 - start), window.length],
      ] as const) {
        const part = window.slice(from, to);
        if (part.length < 2) continue;
        const session = decoder.createSession({ view });
        const { logits, gates } = await session.append(part.slice(0, -1), { logits: "all" });
        for (const [t, loss] of lossesOf(logits, part, 40).entries()) {
          if (start > 0 && from + t < 12) continue;
          nats += loss;
          gateSum += gates.get(1)![t]!;
          numTokens++;
        }
      }
    }
    assert.equal(score.numTokens, numTokens);
    assert.equal(score.numTokens, ids.length - 2, "all but the two documents' first tokens");
    toBeClose([score.nats], [nats], { rtol: 1e-4, atol: 0 });
    toBeClose([score.gates.get(1)!], [gateSum / numTokens], { rtol: 1e-4, atol: 0 });
  }
});

test("where nothing can be scored there is no mean gate, and no number that is none", async () => {
  const scorer = await Scorer.create(await randomModel(referenceBackend()), { length: 8 });
  const empty = { tokens: Uint16Array.of(6, 6, 6), starts: Uint32Array.of(0, 1, 2), numBytes: 0 };
  assert.deepEqual(await scorer.score(empty), {
    nats: 0,
    numTokens: 0,
    gates: new Map(),
    mixture: [],
  });
});

test("a fork reads the tables, the scale and the gates of its origin", async () => {
  for (const backend of [referenceBackend(), ortBackend({ threads: 2 })]) {
    const model = await randomModel(backend);
    const decoder = new Decoder(model);
    const memory = ablated(model.memory!, { orders: [2] });
    const gates = new Map([[1, 0.75]]);
    for (const view of [{ memory }, { scale: 0.5 }, { memory, scale: 0.5 }, { gates }]) {
      const session = decoder.createSession({ view });
      await session.append(text.slice(0, 9));
      const fork = session.fork();
      const forkOfFork = fork.fork();
      const expected = await session.append(text.slice(9));
      assert.deepEqual(await fork.append(text.slice(9)), expected);
      assert.deepEqual(await forkOfFork.append(text.slice(9)), expected);
      const plain = await decoder.createSession().append(text);
      assert.throws(
        () => toBeClose(expected.logits, plain.logits, near),
        "the model's own tables say otherwise",
      );
    }
  }
});

test("a prefix that was read from another memory, at another scale, or never, is refused", async () => {
  const model = await randomModel(referenceBackend());
  const decoder = new Decoder(model);
  const session = decoder.createSession();
  await session.append(text.slice(0, 9));
  const other = decoder.createSession({ view: { memory: ablated(model.memory!, { heads: [1] }) } });
  const gates = new Map([[1, 0.5]]);
  const strangers = [{ scale: 0.5 }, { gates }].map((view) => decoder.createSession({ view }));
  for (const stranger of [other, ...strangers]) {
    await stranger.append([1, 2]);
    assert.throws(() => stranger.copyPrefix(session, 5), /same decoder and view/);
    assert.throws(() => session.copyPrefix(stranger, 2), /same decoder and view/);
    assert.deepEqual(stranger.ids, [1, 2], "and nothing has changed");
  }
  assert.throws(() => decoder.createSession().copyPrefix(session, 10), /10 tokens of 9/);
  // A memory of which nothing is taken away is the model's own.
  const same = decoder.createSession({ view: { memory: ablated(model.memory!, {}) } });
  same.copyPrefix(session, 9);
  assert.deepEqual(await same.append([3]), await session.append([3]));
});
