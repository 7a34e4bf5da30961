/** What training does where a document ends, serving does: one loss by the trainer, one by a session. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { engramJson } from "../engram.ts";
import { loadModel, type Model } from "../../src/index.ts";
import { trainModel } from "../../src/index-training.ts";
import { Decoder, logProbsOf } from "../../src/inference/index.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { Trainer, WindowOrder } from "../../src/training/index.ts";
import { toBeClose } from "../conformance/close.ts";
import { miniPreset } from "../models/mini-preset.ts";
import { smallConfig } from "../models/random-model.ts";
import { removeSums } from "../models/remove-sums.ts";
import { trainableModel } from "../models/trainable-model.ts";

const backend = ortBackend({ threads: 2 });
let root = "";
before(async () => (root = await mkdtemp(join(tmpdir(), "engram-border-"))));
after(async () => {
  await rm(root, { recursive: true, force: true });
  await backend.dispose();
});

for (const engramKernelSize of [0, 4])
  test(`the loss of a training step is what a session says of its window (${engramKernelSize} taps)`, async () => {
    const end = 6;
    const config = { ...smallConfig, engramKernelSize, documentStart: end };
    const { model, state, stream } = await trainableModel(backend, config);
    const length = 32;
    const recipe = { ...miniPreset.training, batch: 2, accumulate: 1, length, memoryFadeIn: 0 };
    const trainer = await Trainer.create(model, state, { recipe, stream, seed: 1 });
    const ids = [...stream.tokens];
    // Before the step, which changes the weights.
    const order = new WindowOrder(stream, { length, seed: 1 });
    const decoder = new Decoder(model);
    let nats = 0;
    for (const row of [0, 1]) {
      const start = order.start(row);
      await using session = decoder.createSession();
      const logits = (await session.append(ids.slice(start, start + length), { logits: "all" }))
        .logits;
      for (let t = 0; t < length; t++)
        nats -= logProbsOf(logits.subarray(t * config.vocabSize, (t + 1) * config.vocabSize), {
          id: ids[start + t + 1]!,
          top: 0,
        }).logProb;
    }
    const { loss } = await trainer.step();
    toBeClose([loss], [nats / (2 * length)], { rtol: 1e-4 });
    await decoder.dispose();
    await trainer.dispose();
  });

test("a model trained here says where documents start; one from before the key is read as if it did", async () => {
  const data = join(root, "text.jsonl");
  const texts = Array.from({ length: 60 }, (_, i) => `The ${i}th cat sat on mat ${i * i}, again.`);
  await writeFile(data, texts.map((text) => JSON.stringify({ text })).join("\n"));
  const out = join(root, "model");
  const training = { ...miniPreset.training, steps: 2 };
  await trainModel({ data: [data], preset: { ...miniPreset, training }, out, backend });
  const file = join(out, "config.json");
  await removeSums(out);
  const json = JSON.parse(await readFile(file, "utf8")) as Record<string, unknown>;
  const logitsOf = async (model: Model, ids: readonly number[]): Promise<Float32Array> => {
    await using session = model.createSession();
    return (await session.append(ids)).logits;
  };
  const [B, A] = [
    [70, 71, 72, 73],
    [80, 81, 82],
  ];
  const end = json["eos_token_id"] as number;
  assert.equal(json["document_start_token_id"], end);
  const { document_start_token_id: _, ...old } = json;
  for (const config of [json, old]) {
    await writeFile(file, JSON.stringify(config));
    await using model = await loadModel(out, { backend });
    assert.equal(model.config.documentStart, end);
    const alone = await logitsOf(model, [end, ...B]);
    assert.deepEqual(await logitsOf(model, [end, ...A, end, ...B]), alone);
  }
  await writeFile(file, JSON.stringify({ ...json, document_start_token_id: null }));
  {
    await using model = await loadModel(out, { backend });
    assert.equal(model.config.documentStart, undefined);
    const alone = await logitsOf(model, [end, ...B]);
    assert.notDeepEqual(await logitsOf(model, [end, ...A, end, ...B]), alone);
  }
  await writeFile(file, JSON.stringify({ ...old, model_type: "somebody-else's" }));
  await assert.rejects(loadModel(out, { backend }), /"model_type": "somebody-else's"/);
  // The command that shows rows shows those that the model reads.
  await writeFile(file, JSON.stringify(json));
  const rows = async (ids: readonly number[]): Promise<number[][]> =>
    (await engramJson("rows", "--config", file, "--ids", ids.join())).layers["1"];
  assert.deepEqual((await rows([end, ...A, end, ...B])).slice(4), await rows([end, ...B]));
});
