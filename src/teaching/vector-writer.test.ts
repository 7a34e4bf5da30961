/** Vectors that are found for facts: what the search says of them is what sessions of the model say. */
import assert from "node:assert/strict";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import {
  packableConfig,
  packedModel,
  randomModel,
  smallConfig,
} from "../../test/models/random-model.ts";
import { streamWrites } from "../../test/models/stream-writes.ts";
import { RequestError } from "../errors.ts";
import { Decoder, type LanguageModel, logProbsOf } from "../inference/index.ts";
import { blockOf, type ModelConfig } from "../model/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { type Backend, referenceBackend } from "../tensor/index.ts";
import type { Edit, Statement } from "./edit.ts";
import { VectorWriter } from "./vector-writer.ts";

const subject = [7, 3];
const zembla: Edit = {
  keys: [subject, [8, 3]],
  statements: [
    { prompt: [1, 4, ...subject, 12, 9], completion: [30, 2] },
    { prompt: [8, 3, 9], completion: [30, 2] },
    // The subject twice, and far from the beginning.
    { prompt: [5, 5, 9, 4, 1, 1, 6, 2, 9, ...subject, 6, ...subject, 9], completion: [30, 2] },
  ],
};
/** At the end of its prompt, which even a model of random weights can be taught. */
const other: Edit = {
  keys: [[4, 5]],
  statements: [{ prompt: [21, 9, 4, 4, 5], completion: [17] }],
};

/** The chance of a completion, by a session that reads it on. */
async function chanceOf(
  model: LanguageModel,
  { prompt, completion }: Statement,
  vectors: Parameters<typeof streamWrites>[1],
): Promise<number> {
  const memory = streamWrites(model.memory, vectors);
  const session = new Decoder(model).createSession({ view: { memory } });
  let nats = 0;
  for (const [i, id] of completion.entries()) {
    const { logits } = await session.append(i === 0 ? prompt : [completion[i - 1]!]);
    nats -= logProbsOf(logits, { id, top: 0 }).logProb;
  }
  return Math.exp(-nats);
}

const { engram: _none, ...bare } = smallConfig;
const llama: ModelConfig = {
  ...bare,
  numLayers: 3,
  block: { ...blockOf(bare), hasQkNorm: false, slidingWindow: 6 },
};
const gpt2: ModelConfig = {
  ...bare,
  numLayers: 3,
  block: {
    ...blockOf(bare),
    norm: "layer",
    attentionBias: "all",
    hasQkNorm: false,
    mlp: "geluTanh",
    hasMlpBias: true,
    positions: "learned",
  },
};
const onnx = (): Backend => ortBackend({ threads: 2 });

/** Random weights, and logits far enough apart for chances near one. */
async function sharpModel(backend: Backend, config: ModelConfig): ReturnType<typeof randomModel> {
  const model = await randomModel(backend, config);
  const gains = model.params["model.norm.weight"]!.data as Float32Array;
  gains.set(gains.map((x) => 6 * x));
  return model;
}

const models: Readonly<Record<string, () => Promise<LanguageModel>>> = {
  "a memory and a convolution": () =>
    sharpModel(referenceBackend(), { ...smallConfig, engramKernelSize: 3 }),
  "a sliding window": () => sharpModel(onnx(), llama),
  "learned positions": () => sharpModel(onnx(), gpt2),
  "packed weights": async () =>
    packedModel(await sharpModel(referenceBackend(), packableConfig), 8),
};

for (const [name, make] of Object.entries(models))
  test(`a vector makes its facts likely, as it says, and as sessions say (${name})`, async () => {
    const model = await make();
    await using writer = new VectorWriter(model, { layers: [1], maxSteps: 30 });
    const written = await writer.write([zembla, other]);
    for (const [i, edit] of [zembla, other].entries()) {
      const { writes, before, after, status, steps } = written[i]!;
      assert.equal(status, after >= 0.9 ? "ok" : "weak");
      if (edit === other && model.memory === undefined)
        assert.ok(status === "ok" && steps < 30, `${after} after ${steps} steps`);
      else assert.ok(after > before, `${after} after ${steps} steps, ${before} before`);
      const vectors = writes.map((one) => ({ keys: edit.keys, ...one }));
      const chances = async (of: typeof vectors): Promise<number[]> => {
        const all: number[] = [];
        for (const one of edit.statements) all.push(await chanceOf(model, one, of));
        return all;
      };
      const near = { rtol: 2e-3, atol: 1e-6 };
      const now = await chances(vectors);
      toBeClose([Math.min(...now), Math.min(...(await chances([])))], [after, before], near);
      const [said] = await writer.chances([{ ...writes[0]!, ...edit }]);
      toBeClose(said!, now, near);
    }
  });

test("a search that does not arrive says so, and how far it came", async () => {
  await using writer = new VectorWriter(await sharpModel(onnx(), llama), {
    layers: [2],
    maxSteps: 2,
  });
  const [{ status, before, after }] = (await writer.write([zembla])) as [never];
  assert.equal(status, "weak");
  assert.ok(after >= before && after < 0.9);
});

test("wordings held back choose the layer", async () => {
  const model = await sharpModel(onnx(), llama);
  const validation = [{ prompt: [9, 9, 4, 5], completion: [17] }];
  const answered = async (layers: readonly number[]): Promise<[number, number]> => {
    await using writer = new VectorWriter(model, { layers });
    const [written] = await writer.write([{ ...other, validation }]);
    assert.equal(written!.status, "ok");
    const [write] = written!.writes;
    const [chances] = await writer.chances([
      { ...write!, keys: other.keys, statements: validation },
    ]);
    return [chances![0]!, write!.layerId];
  };
  const alone = [await answered([0]), await answered([1])].toSorted(([a], [b]) => b - a);
  assert.ok(alone[1]![0] < 0.5, "else no second layer would be tried");
  for (const layers of [
    [0, 1],
    [1, 0],
  ]) {
    const [, chosen] = await answered(layers);
    assert.equal(chosen, alone[0]![1]);
  }
});

test("a leash holds what the model said of the subject", async () => {
  const model = await sharpModel(onnx(), llama);
  const leash = [9, 4, 5, 22, 1];
  const chances = async (vectors: Parameters<typeof streamWrites>[1]): Promise<number[]> => {
    const view = { memory: streamWrites(undefined, vectors) };
    const { logits } = await new Decoder(model).createSession({ view }).append(leash);
    return Array.from(logits.keys(), (id) => Math.exp(logProbsOf(logits, { id, top: 0 }).logProb));
  };
  const was = await chances([]);
  const drift = async (weight: number): Promise<number> => {
    await using writer = new VectorWriter(model, { layers: [1], leash: weight, maxSteps: 40 });
    const [written] = await writer.write([{ ...other, leashes: [leash] }]);
    assert.equal(written!.status, "ok");
    const is = await chances(written!.writes.map((one) => ({ keys: other.keys, ...one })));
    return was.reduce((sum, p, i) => sum + p * Math.log(p / is[i]!), 0);
  };
  const [free, held] = [await drift(0), await drift(1)];
  assert.ok(held < free / 2, `${held} nats with a leash, ${free} without`);
});

test("a prompt without its key, and an empty completion, are refused", async () => {
  await using writer = new VectorWriter(await sharpModel(onnx(), llama));
  for (const statement of [
    { prompt: [1, 2, 3], completion: [4] },
    { prompt: [...subject], completion: [] },
  ])
    await assert.rejects(
      writer.write([{ keys: [subject], statements: [statement] }]),
      RequestError,
    );
});
