/**
 * Published models against other implementations: llama2.c's stories260K and raincandy-u/TinyStories-656K, complete
 * directories as they are. The weights are in the folder that ENGRAM_DATA names.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { generateText } from "../../src/generate-text.ts";
import { createSampler, generate } from "../../src/inference/index.ts";
import { loadModel } from "../../src/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { toBeClose } from "../conformance/close.ts";
import { streamAfter } from "../models/stream-after.ts";

const data = process.env["ENGRAM_DATA"] ?? fileURLToPath(new URL("../../data", import.meta.url));
const backbones = join(data, "backbones");
const needs = (name: string): { skip: string | false } => ({
  skip: existsSync(join(backbones, name))
    ? false
    : `needs backbones/${name} in data/ or in the folder that ENGRAM_DATA names`,
});

test("stories260K writes what llama2.c writes, byte for byte", needs("stories260K"), async () => {
  const directory = join(backbones, "stories260K");
  const reference = JSON.parse(await readFile(join(directory, "reference.json"), "utf8")) as {
    greedy_ids_from_bos: number[];
    expected_text: string;
  };
  await using model = await loadModel(join(directory, "hf"));
  let text = "";
  const options = { temperature: 0, maxTokens: 200 };
  for await (const piece of generateText(model, "", options)) text += piece;
  assert.equal(Buffer.byteLength(reference.expected_text), 464);
  // llama2.c ends the line itself.
  assert.equal(text.trimEnd(), reference.expected_text.trimEnd());
  await using session = model.createSession();
  const read: number[] = [];
  const steps = generate(session, [1], {
    sampler: createSampler({ temperature: 0 }),
    maxTokens: 200,
  });
  for await (const id of steps) read.push(id);
  assert.deepEqual(
    [1, ...read].slice(0, reference.greedy_ids_from_bos.length),
    reference.greedy_ids_from_bos,
  );
});

test("stories260K has the logits of double precision", needs("stories260K"), async () => {
  const directory = join(backbones, "stories260K");
  const npy = await readFile(join(directory, "ref_logits_f64.npy"));
  const header = npy.subarray(10, 10 + npy.readUInt16LE(8)).toString();
  const [, rows, width] = /\((\d+), (\d+)\)/.exec(header)!.map(Number);
  assert.match(header, /'<f8'/);
  const begin = 10 + npy.readUInt16LE(8);
  const expected = new Float64Array(
    npy.buffer.slice(npy.byteOffset + begin, npy.byteOffset + npy.length),
  );
  const reference = JSON.parse(await readFile(join(directory, "reference.json"), "utf8")) as {
    greedy_ids_from_bos: number[];
  };
  await using model = await loadModel(join(directory, "hf"));
  await using session = model.createSession();
  const ids = reference.greedy_ids_from_bos.slice(0, rows);
  const { logits } = await session.append(ids, { logits: "all" });
  toBeClose(logits, expected.subarray(0, ids.length * width!), { rtol: 0, atol: 1e-4 });
});

test("TinyStories-656K agrees with Transformers", needs("tinystories-656k"), async () => {
  const golden = JSON.parse(
    await readFile(new URL("../golden/tinystories-656k.json", import.meta.url), "utf8"),
  ) as { prompt: string; promptIds: number[]; ids: number[]; hidden: number[][] };
  await using model = await loadModel(join(backbones, "tinystories-656k"));
  const { startIds, stopIds } = model.tokenizer.bounds;
  assert.deepEqual([startIds, stopIds], [[1], [2]]);
  const promptIds = [...startIds, ...(await model.tokenizer.encode(golden.prompt))];
  assert.deepEqual(promptIds, golden.promptIds);
  await using session = model.createSession();
  const ids: number[] = [];
  const sampler = createSampler({ temperature: 0 });
  for await (const id of generate(session, promptIds, { sampler, maxTokens: 100 })) ids.push(id);
  assert.deepEqual(ids, golden.ids);
  await using exact = await loadModel(join(backbones, "tinystories-656k"), {
    backend: referenceBackend,
  });
  for (let to = 1; to < golden.hidden.length; to++) {
    const stream = await streamAfter(exact, promptIds, to);
    const last = stream.subarray(-exact.config.hiddenSize).subarray(0, 8);
    // A wrong constant of a norm or a rotation shows here, long before it changes a token.
    toBeClose(last, golden.hidden[to]!, { rtol: 2e-5, atol: 2e-6, label: `after layer ${to - 1}` });
  }
});
