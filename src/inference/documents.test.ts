/** Documents one behind the other in one timeline: each is read as if it were alone, as in training. */
import assert from "node:assert/strict";
import test, { describe } from "node:test";
import * as fc from "fast-check";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig, smallEngram } from "../../test/models/random-model.ts";
import { StoreError } from "../errors.ts";
import type { HashedMemory } from "../memory/index.ts";
import type { ModelConfig } from "../model/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { type Backend, referenceBackend } from "../tensor/index.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import {
  createSampler,
  Decoder,
  type LanguageModel,
  logProbsOf,
  Scheduler,
  Scorer,
  type Reading,
} from "./index.ts";

const end = 6;
const A = [7, 3, 3, 38, 12, 7, 3, 21, 5];
const B = [5, 9, 30, 2, 17, 7, 3];
const near = { rtol: 1e-3, atol: 1e-4 };

const { engram: _, ...backbone } = smallConfig;
const models: Readonly<Record<string, ModelConfig>> = {
  "a memory": smallConfig,
  "a memory of three orders and a convolution": {
    ...smallConfig,
    engramKernelSize: 4,
    engram: { ...smallEngram, layerIds: [0, 1], maxNgramSize: 4, minBucketRows: [31, 31, 53] },
  },
  "no memory": backbone,
};
const backends: Readonly<Record<string, () => Backend>> = {
  reference: referenceBackend,
  onnx: () => ortBackend({ threads: 2 }),
};

async function modelWith(
  backend: Backend,
  config: ModelConfig,
): Promise<LanguageModel<HashedMemory>> {
  return randomModel(backend, { ...config, documentStart: end });
}

/** The part of `ids` that its last token sees. */
function lastDocument(ids: readonly number[]): readonly number[] {
  return ids.slice(Math.max(0, ids.lastIndexOf(end)));
}

/** Rows of a reading from its position `from` on. */
function rowsFrom({ rows }: Reading, count: number, from: number): number[][] {
  return [...rows.values()].map((all) => [...all.subarray((from * all.length) / count)]);
}

for (const [backendName, makeBackend] of Object.entries(backends))
  for (const [modelName, config] of Object.entries(models))
    describe(`with ${modelName} on ${backendName}`, () => {
      test("a second document has the rows and the logits that it has alone, to the bit", async () => {
        const decoder = new Decoder(await modelWith(makeBackend(), config));
        const alone = await decoder.createSession().append([end, ...B], { logits: "all" });
        for (const before of [[end, ...A], A, [end], [end, ...A, end, ...A.slice(0, 3)]]) {
          const ids = [...before, end, ...B];
          const reading = await decoder.createSession().append(ids, { logits: "all" });
          const logits = reading.logits.slice(before.length * config.vocabSize);
          assert.deepEqual(logits, alone.logits);
          const rows = rowsFrom(reading, ids.length, before.length);
          assert.deepEqual(rows, rowsFrom(alone, B.length + 1, 0));
        }
      });

      test("without the key in its configuration, a model sees across the token", async () => {
        const decoder = new Decoder(await randomModel(makeBackend(), config));
        const alone = (await decoder.createSession().append([end, ...B])).logits;
        const behind = (await decoder.createSession().append([end, ...A, end, ...B])).logits;
        assert.throws(() => toBeClose(behind, alone, near));
      });

      test("appends, rewinds, forks and copies across documents give what each document gives alone", async () => {
        const decoder = new Decoder(await modelWith(makeBackend(), config));
        const alone = new Map<string, Float32Array>();
        const check = async (logits: Float32Array, ids: readonly number[]): Promise<void> => {
          const document = lastDocument(ids);
          const key = document.join();
          let expected = alone.get(key);
          if (expected === undefined) {
            await using session = decoder.createSession();
            alone.set(key, (expected = (await session.append(document)).logits));
          }
          toBeClose(logits, expected, near);
        };
        const id = fc.oneof(fc.constant(end), fc.integer({ min: 0, max: 39 }));
        const step = fc.record({
          back: fc.nat(40),
          ids: fc.array(id, { minLength: 1, maxLength: 12 }),
          how: fc.constantFrom("same", "fork", "copy"),
        });
        await fc.assert(
          fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), async (steps) => {
            let session = decoder.createSession();
            const open = [session];
            for (const { back, ids, how } of steps) {
              const room = decoder.capacity - ids.length;
              const length = Math.min(back % (session.length + 1), room);
              if (how === "same") session.rewind(length);
              else if (how === "fork") {
                session = session.fork();
                session.rewind(length);
              } else {
                const copy = decoder.createSession();
                await copy.append([1, end, 2, 3, end]);
                copy.copyPrefix(session, length);
                session = copy;
              }
              open.push(session);
              await check((await session.append(ids)).logits, session.ids);
            }
            for (const one of open) await one.dispose();
          }),
          { numRuns: backendName === "onnx" ? 12 : 25 },
        );
      });

      test("a batch of texts whose documents start at different steps gives what each gives alone", async () => {
        const decoder = new Decoder(await modelWith(makeBackend(), config), { capacity: 24 });
        const batch = new BatchDecoder(decoder, { slots: 4 });
        const texts = [
          [end, ...A, end, ...B],
          [...B, end, ...A, end, 1, 2],
          [1, 2, end, end, 3, 4, 5, 6, 7, 8, 9, 10, 11],
        ];
        const prompts = [4, 7, 1];
        const slots = [0, 1, 3];
        for (const [i, length] of prompts.entries())
          await batch.sessions[slots[i]!]!.append(texts[i]!.slice(0, length));
        for (let t = 0; t < 12; t++) {
          const rows = slots.flatMap((slot, i) => {
            const id = texts[i]![prompts[i]! + t];
            return id === undefined ? [] : [{ slot, id, i }];
          });
          const results = await batch.step(rows);
          for (const [k, { i }] of rows.entries()) {
            const ids = lastDocument(texts[i]!.slice(0, prompts[i]! + t + 1));
            await using session = decoder.createSession();
            const expected = await session.append(ids);
            toBeClose(results[k]!.logits, expected.logits, near);
            for (const [layer, found] of results[k]!.rows)
              assert.deepEqual(found, expected.rows.get(layer)!.slice(-found.length));
          }
        }
        // What the batch left behind can be rewound into, too.
        const session = batch.sessions[1]!;
        session.rewind(10);
        await using alone = decoder.createSession();
        const expected = (await alone.append([end, ...A.slice(0, 2), 33])).logits;
        toBeClose((await session.append([33])).logits, expected, near);
      });

      test("a scorer of the packed window finds the same likelihoods", async () => {
        const model = await modelWith(makeBackend(), config);
        const ids = [end, ...A, end, ...B, end, 4, 4, 1];
        const tokens = Uint16Array.from(ids);
        const starts = Uint32Array.from([...ids.keys()].filter((i) => ids[i] === end));
        const scorer = await Scorer.create(model, { batch: 1, length: 24 });
        const found = new Map<number, number>();
        await scorer.score(
          { tokens, starts, numBytes: 1 },
          { onToken: (at, nats) => found.set(at, nats) },
        );
        const logits = (await new Decoder(model).createSession().append(ids, { logits: "all" }))
          .logits;
        assert.equal(found.size, ids.length - starts.length);
        for (const [at, nats] of found) {
          const row = logits.subarray((at - 1) * config.vocabSize, at * config.vocabSize);
          toBeClose([nats], [-logProbsOf(row, { id: ids[at]!, top: 0 }).logProb], near);
        }
      });
    });

test("rows are fetched ahead for documents as they will be read", async () => {
  const model = await modelWith(referenceBackend(), smallConfig);
  const session = new Decoder(model).createSession();
  const { timeline, reader } = session;
  await session.append([end, ...A]);
  const next = [2, end, ...B, end];
  for (const skip of [0, 1, 4, next.length]) {
    const expected: number[][] = [];
    timeline.ifNext(next, skip, (spans) => {
      for (const rows of reader!.address(spans).rows.values()) expected.push([...rows]);
    });
    const columns = model.memory!.addressing.numColumns;
    const { rows } = await session.append(next);
    assert.deepEqual(
      [...rows.values()].map((all) => [...all.subarray(skip * columns)]),
      expected,
    );
    timeline.rewind(A.length + 1);
  }
});

test("a slot that is full keeps its earlier documents while others go on", async () => {
  const decoder = new Decoder(await modelWith(ortBackend({ threads: 2 }), smallConfig), {
    capacity: 16,
  });
  const batch = new BatchDecoder(decoder, { slots: 3 });
  const full = [end, 3, 9, 27, end, 1, end, 4, 12, 36, 28, 4, 12, 36, 28, 4];
  await batch.sessions[0]!.append(full);
  await batch.sessions[1]!.append([5]);
  await batch.sessions[2]!.append([8]);
  await batch.step([
    { slot: 1, id: 7 },
    { slot: 2, id: 2 },
  ]);
  for (const length of [15, 6, 4]) {
    batch.sessions[0]!.rewind(length);
    const expected = await decoder
      .createSession()
      .append([...lastDocument(full.slice(0, length)), 11]);
    toBeClose((await batch.sessions[0]!.append([11])).logits, expected.logits, near);
  }
});

test("a step that fails where a document starts leaves the one before as it was", async () => {
  const model = await modelWith(referenceBackend(), smallConfig);
  let isBroken = false;
  for (const { store } of model.memory!.tables) {
    const read = store.read.bind(store);
    store.readNow = () => false;
    store.read = async (rows, into) => {
      if (isBroken) throw new StoreError("the disk is gone");
      await read(rows, into);
    };
  }
  const decoder = new Decoder(model);
  const expected = (await decoder.createSession().append([end, ...A, 33])).logits;
  const batch = new BatchDecoder(decoder, { slots: 2 });
  for (const session of batch.sessions) await session.append([end, ...A]);
  isBroken = true;
  await assert.rejects(batch.sessions[0]!.append([2, end, 3, end, 4]), /the disk is gone/);
  const both = [0, 1].map((slot) => ({ slot, id: end }));
  await assert.rejects(batch.step(both), /the disk is gone/);
  isBroken = false;
  const results = await batch.step(both.map(({ slot }) => ({ slot, id: 33 })));
  for (const { logits } of results) toBeClose(logits, expected, near);
});

test("prompts of several documents share what they have in common, and read each document alone", async () => {
  const config = { ...smallConfig, maxPositions: 96 };
  const model = await modelWith(ortBackend({ threads: 2 }), config);
  const scheduler = new Scheduler(model, { parallel: 3 });
  const prompts = [
    [end, ...A, ...A, end, ...B],
    [end, ...A, ...A, end, ...B.slice(0, 4), 1],
    [end, ...A, ...A, 2],
    [end, ...A, ...A, end, ...B, end, ...B],
  ];
  for (let round = 0; round < 2; round++)
    for (const promptIds of prompts) {
      const sampler = createSampler({ temperature: 0 });
      let id: number | undefined;
      const request = { promptIds, maxTokens: 2, sampler, topLogProbs: 1 };
      for await (const step of scheduler.submit(request)) if (step.kind === "token") id ??= step.id;
      const session = new Decoder(model).createSession();
      const [best, next] = logProbsOf((await session.append(lastDocument(promptIds))).logits, {
        id: 0,
        top: 2,
      }).top;
      assert.ok(best!.logProb - next!.logProb > 1e-3, "a tie tells nothing");
      assert.equal(id, best!.id);
    }
  assert.ok(scheduler.prefixCache.hits > 80, `${scheduler.prefixCache.hits} from the cache`);
  await scheduler.close();
});
