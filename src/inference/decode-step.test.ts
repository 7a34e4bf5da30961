import assert from "node:assert/strict";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig, smallEngram } from "../../test/models/random-model.ts";
import { StoreError } from "../errors.ts";
import type { HashedMemory, RowStore } from "../memory/index.ts";
import type { ModelConfig } from "../model/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { type Backend, type Binding, referenceBackend } from "../tensor/index.ts";
import { BatchDecoder, Decoder, type LanguageModel } from "./index.ts";

const text = [0, 7, 3, 3, 38, 12, 7, 3, 21, 5, 5, 5, 9, 30, 2, 17, 7, 3];
const configs: Readonly<Record<string, ModelConfig>> = {
  "a memory in its last layer": smallConfig,
  "a short convolution": { ...smallConfig, engramKernelSize: 3 },
  "memories in layers 0, 1 and 3": {
    ...smallConfig,
    numLayers: 4,
    engram: { ...smallEngram, layerIds: [0, 1, 3] },
  },
};

/** The same model with every table behind `slow`. */
function withStores(
  model: LanguageModel<HashedMemory>,
  slow: (store: RowStore) => RowStore,
): LanguageModel {
  const memory = model.memory!.withTables((table) => ({ ...table, store: slow(table.store) }));
  return { ...model, memory };
}

/** A store that has nothing at hand. `before` is what every read waits for. */
function waiting(before: () => Promise<void> = async () => undefined) {
  return (store: RowStore): RowStore => ({
    numRows: store.numRows,
    rowBytes: store.rowBytes,
    async read(rows, into) {
      await before();
      await store.read(rows, into);
    },
    close: async () => undefined,
  });
}

function closeTo(actual: Float32Array, expected: Float32Array): void {
  toBeClose(actual, expected, { rtol: 1e-5, atol: 1e-6 });
}

for (const [backendName, makeBackend] of [
  ["reference", referenceBackend],
  ["onnx", () => ortBackend({ threads: 2 })],
] as const)
  for (const [name, config] of Object.entries(configs))
    test(`rows that come late change nothing (${backendName}, ${name})`, async () => {
      const model = await randomModel(makeBackend(), config);
      const late = withStores(model, waiting());
      const here = new Decoder(model).createSession();
      const there = new Decoder(late).createSession();
      // The engine gives the same bits. The reference counts in 64 bits within a graph, and rounds where one ends.
      const check = backendName === "onnx" ? assert.deepEqual : closeTo;
      check(
        (await there.append(text, { logits: "all" })).logits,
        (await here.append(text, { logits: "all" })).logits,
      );
      for (const id of [8, 30, 2, 2]) {
        const [far, near] = [await there.append([id]), await here.append([id])];
        check(far.logits, near.logits);
        for (const [layer, gates] of near.gates) check(far.gates.get(layer)!, gates);
      }
    });

test("a batch of texts whose rows come late goes on as each would alone", async () => {
  const model = await randomModel(ortBackend({ threads: 2 }), configs["a short convolution"]);
  const [here, there] = [model, withStores(model, waiting())].map(
    (side) => new BatchDecoder(new Decoder(side, { capacity: 24 }), { slots: 4 }),
  );
  for (const batch of [here!, there!]) {
    await batch.sessions[0]!.append(text.slice(0, 9));
    await batch.sessions[2]!.append(text.slice(3, 5));
  }
  for (const id of [5, 6, 39]) {
    const entries = [0, 2].map((slot) => ({ slot, id: id - slot }));
    const results = [await there!.step(entries), await here!.step(entries)].map((steps) =>
      steps.map(({ logits, gates, rows }) => ({ logits: logits.slice(), gates, rows })),
    );
    assert.deepEqual(results[0], results[1]);
  }
});

/** Writes down which graphs run, by their outputs. */
function logged(inner: Backend): { backend: Backend; runs: string[] } {
  const runs: string[] = [];
  const backend: Backend = {
    name: inner.name,
    dispose: () => inner.dispose(),
    async compile(graph) {
      const executable = await inner.compile(graph);
      const names = [...graph.outputs.keys()];
      const what = names.find((name) => /^(stream|logits)/.test(name))!;
      return {
        dispose: () => executable.dispose(),
        bind(inputs, outputs): Binding {
          const binding = executable.bind(inputs, outputs);
          return {
            dispose: () => binding.dispose(),
            async run() {
              runs.push(what);
              await binding.run();
            },
          };
        },
      };
    },
  };
  return { backend, runs };
}

test("what comes before a memory runs while its rows are on their way, and the whole where they are here", async () => {
  const { backend, runs } = logged(referenceBackend());
  const model = await randomModel(backend, configs["memories in layers 0, 1 and 3"]);
  const doors = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  let reads = 0;
  const late = withStores(
    model,
    waiting(() => doors[reads++]!.promise),
  );
  const decoder = new Decoder(late);
  const appended = decoder.createSession().append([7]);
  const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  await turn();
  assert.equal(reads, 3, "all layers are looked up before the first runs");
  assert.deepEqual(runs, []);
  doors[0]!.resolve();
  await turn();
  assert.deepEqual(runs, ["stream.1"]);
  doors[2]!.resolve();
  await turn();
  assert.deepEqual(runs, ["stream.1"], "layer 3 has its rows, but layer 1 comes first");
  doors[1]!.resolve();
  await appended;
  assert.deepEqual(runs, ["stream.1", "stream.3", "logits"]);
  const { steps, stepsAhead, stalls, stallSeconds } = decoder.meter.costs;
  assert.deepEqual([steps, stepsAhead, stalls], [1, 1, 1]);
  assert.ok(stallSeconds > 0.03, `${stallSeconds} s of waiting`);
  const inRam = new Decoder(model);
  await inRam.createSession().append([7]);
  assert.deepEqual(runs.slice(3), ["logits"]);
  const { stepsAhead: none, stallSeconds: still } = inRam.meter.costs;
  assert.deepEqual([none, still], [0, 0]);
});

test("rows that cannot be had leave the session as it was, with nothing under way", async () => {
  const model = await randomModel(referenceBackend(), configs["memories in layers 0, 1 and 3"]);
  let reads = 0;
  let underWay = 0;
  const late = withStores(
    model,
    waiting(async () => {
      const read = reads++;
      underWay++;
      await new Promise((resolve) => setTimeout(resolve, 5 * read));
      underWay--;
      if (read === 1) throw new StoreError("the disk is gone");
    }),
  );
  const session = new Decoder(late).createSession();
  await assert.rejects(session.append([7]), /the disk is gone/);
  assert.deepEqual([session.length, reads, underWay], [0, 3, 0]);
  const whole = (await new Decoder(model).createSession().append(text.slice(0, 1))).logits;
  closeTo((await session.append(text.slice(0, 1))).logits, whole);
});
