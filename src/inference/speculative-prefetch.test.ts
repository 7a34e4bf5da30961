import assert from "node:assert/strict";
import test from "node:test";
import * as fc from "fast-check";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig } from "../../test/models/random-model.ts";
import {
  cached,
  CachedStore,
  type HashedMemory,
  type LookUp,
  type RowStore,
} from "../memory/index.ts";
import { referenceBackend } from "../tensor/index.ts";
import { emptyCaches } from "./key-values.ts";
import { BatchDecoder, Decoder, type LanguageModel } from "./index.ts";
import { MemoryMeter } from "./memory-meter.ts";
import { SpeculativePrefetch } from "./speculative-prefetch.ts";
import { Timeline } from "./timeline.ts";

const near = { rtol: 1e-4, atol: 1e-5 };
const config = { ...smallConfig, maxPositions: 160 };

/** The model with its tables behind caches of a few rows each; the stores behind those always take a while. */
function behindCaches(
  model: LanguageModel<HashedMemory>,
  { isSlow = true, bytes = 6000 } = {},
): LanguageModel<HashedMemory> {
  const memory = model.memory!;
  const slow = ({ store }: { store: RowStore }): RowStore => ({
    numRows: store.numRows,
    rowBytes: store.rowBytes,
    async read(rows, into) {
      await new Promise((resolve) => setTimeout(resolve, 3));
      await store.read(rows, into);
    },
    close: async () => undefined,
  });
  const behind = memory.withTables((table) => ({
    ...table,
    store: cached(isSlow ? slow(table) : table.store, { bytes }),
  }));
  return { ...model, memory: behind };
}

test("rows prefetched on speculation change no prediction, and most candidates are right in a text that repeats itself", async () => {
  const model = await randomModel(referenceBackend(), config);
  const remote = behindCaches(model);
  const decoder = new Decoder(remote);
  const [far, here] = [decoder.createSession(), new Decoder(model).createSession()];
  const phrase = [3, 17, 8, 30, 21, 12];
  for (let i = 0; i < 60; i++) {
    const id = i % 13 === 12 ? (i * 7) % 40 : phrase[i % phrase.length]!;
    toBeClose((await far.append([id])).logits, (await here.append([id])).logits, near);
  }
  const { speculated, speculatedRight, speculatedWrong, stepsAhead } = decoder.meter.costs;
  assert.ok(stepsAhead > 10, `${stepsAhead} steps were late`);
  assert.ok(speculatedRight > 20, `${speculatedRight} of ${speculated} were right`);
  assert.ok(
    speculated - speculatedRight - speculatedWrong <= 4,
    "all but the last position's are resolved",
  );
  const { store } = remote.memory!.tables[0]!;
  assert.ok(store instanceof CachedStore);
  const { prefetchHits, prefetchedRows, prefetchesWasted } = store.stats;
  assert.ok(prefetchHits > 0 && prefetchedRows >= prefetchesWasted);
});

test("whatever is expected, speculated, rewound or forked, the predictions are those of a table in RAM", async () => {
  const model = await randomModel(referenceBackend(), config);
  const step = fc.oneof(
    fc.record({ append: fc.array(fc.nat(39), { minLength: 1, maxLength: 20 }) }),
    fc.record({ expect: fc.array(fc.nat(39), { maxLength: 6 }), skip: fc.nat(3) }),
    fc.record({ keep: fc.nat(20) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 7 }), async (steps) => {
      const far = new Decoder(behindCaches(model, { bytes: 3000 })).createSession();
      const here = new Decoder(model).createSession();
      for (const one of steps) {
        if ("append" in one)
          toBeClose(
            (await far.append(one.append)).logits,
            (await here.append(one.append)).logits,
            near,
          );
        else if ("expect" in one) far.expect(one.expect, { skip: one.skip });
        else for (const session of [far, here]) session.rewind(Math.min(one.keep, session.length));
        assert.deepEqual(far.ids, here.ids);
      }
    }),
    { numRuns: 20 },
  );
});

test("each text of a batch has candidates of its own", async () => {
  const model = await randomModel(referenceBackend(), config);
  const decoder = new Decoder(behindCaches(model));
  const batch = new BatchDecoder(decoder, { slots: 2 });
  const here = [0, 1].map(() => new Decoder(model).createSession());
  for (let i = 0; i < 30; i++) {
    const ids = [[5, 9, 13][i % 3]!, [2, 38][i % 2]!];
    const results = await batch.step(ids.map((id, slot) => ({ slot, id })));
    for (const [slot, id] of ids.entries())
      toBeClose(results[slot]!.logits, (await here[slot]!.append([id])).logits, near);
  }
  const { speculatedRight, speculatedWrong } = decoder.meter.costs;
  assert.ok(speculatedRight > 30, `${speculatedRight} right, ${speculatedWrong} wrong`);
});

test("there is no speculation where no row was late for a while, nor where no store takes hints", async () => {
  const model = await randomModel(referenceBackend(), config);
  assert.equal(new Decoder(model).prefetch, undefined);
  const decoder = new Decoder(behindCaches(model, { isSlow: false }));
  const session = decoder.createSession();
  for (let i = 0; i < 40; i++) await session.append([i % 4]);
  const before = decoder.meter.costs;
  for (let i = 0; i < 40; i++) await session.append([i % 4]);
  const after = decoder.meter.costs;
  assert.equal(after.speculated, before.speculated);
  assert.equal(after.stepsAhead, 0);
});

test("speculation ends while late rows hold up nothing, and begins again once they do", async () => {
  const model = behindCaches(await randomModel(referenceBackend(), config));
  let time = 0;
  const meter = new MemoryMeter({ now: () => time });
  const prefetch = new SpeculativePrefetch(config.vocabSize, meter);
  const timeline = new Timeline(model.config, {
    capacity: 32,
    caches: emptyCaches({ model, capacity: 32 }, 1),
  });
  const reader = model.memory!.reader();
  let position = 0;
  /** Reads tokens whose rows are late each time, and the engine waits so many milliseconds. */
  async function steps(count: number, stall: number): Promise<number> {
    const before = meter.costs.speculated;
    for (let i = 0; i < count; i++) {
      const id = [5, 9, 13][position % 3]!;
      const staged = timeline.stage([id]);
      prefetch.observe(timeline, { start: position++, isLate: true });
      prefetch.speculate({ timeline, reader });
      const lookUp = {
        hasArrived: () => false,
        arrival: async () => void (time += stall),
      } as unknown as LookUp;
      await meter.waitFor(lookUp, [0]);
      timeline.commit(staged, () => new Float32Array(0));
    }
    return meter.costs.speculated - before;
  }
  assert.ok((await steps(10, 0)) > 0, "at first nothing is known");
  await steps(60, 0.05);
  assert.equal(await steps(10, 0.05), 0);
  await steps(15, 2);
  assert.equal(await steps(10, 2), 10);
  await steps(50, 2);
});
