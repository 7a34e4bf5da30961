/**
 * Published models against other implementations: llama2.c's stories260K and raincandy-u/TinyStories-656K, complete
 * directories as they are, and minGPT's gpt-nano-sort. The weights are in the folder that ENGRAM_DATA names.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { generateText } from "../../src/generate-text.ts";
import { createSampler, generate } from "../../src/inference/index.ts";
import { loadModel } from "../../src/index.ts";
import { evalGraph, io } from "../../src/model/index.ts";
import { evaluateGraph, referenceBackend, zeros } from "../../src/tensor/index.ts";
import { toBeClose } from "../conformance/close.ts";
import { activationsOf, writeNanoSort } from "../models/nano-sort.ts";
import { streamAfter } from "../models/stream-after.ts";

const backbones = join(
  process.env["ENGRAM_DATA"] ?? fileURLToPath(new URL("../../data", import.meta.url)),
  "backbones",
);
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

test(
  "gpt-nano-sort has PyTorch's activation after every operation",
  needs("gpt-nano-sort"),
  async () => {
    const folder = join(backbones, "gpt-nano-sort");
    const directory = await mkdtemp(join(tmpdir(), "engram-nano-"));
    try {
      await writeNanoSort(folder, directory);
      await using model = await loadModel(directory, { backend: referenceBackend });
      const expected = await activationsOf(folder);
      const { config, params } = model.language;
      const graph = evalGraph(config, { batch: 3, length: 11, probs: true });
      const inputs = Object.fromEntries(
        [...graph.inputs].map(([name, { dtype, shape }]) => [
          name,
          params[name] ?? zeros(dtype, shape),
        ]),
      );
      inputs[io.ids]!.data.set(Int32Array.from(expected.get("idx")!.data));
      inputs[io.segments]!.data.fill(1);
      // Every result of every node, in the order in which they are computed.
      const results = graph.nodes.flatMap(({ outputs }) => outputs);
      const outputs = new Map(results.map((tensor, i) => [`${i}`, tensor]));
      const numbers = Object.fromEntries(
        Object.entries(inputs).map(([name, { data }]) => [name, data]),
      );
      const found = evaluateGraph({ ...graph, outputs }, numbers);
      let at = 0;
      const operations = [
        "tok_emb",
        "x",
        "ln1",
        "q",
        "k",
        "v",
        "attSm",
        "y",
        "yProj",
        "attnResid",
        "ln2",
      ];
      const rest = ["fc", "gelu", "mlp", "mlpResid", "block1", "block2", "ln_f", "probs"];
      for (const name of [...operations, ...rest]) {
        const { data } = expected.get(name)!;
        const isIt = (values: ArrayLike<number>): boolean =>
          values.length === data.length && data.every((x, i) => Math.abs(values[i]! - x) < 2e-5);
        while (at < results.length && !isIt(found[`${at}`]!)) at++;
        assert.ok(at < results.length, `no node behind the one before computes ${name}`);
      }
      // What is no node of ours: all three projections as one, scores before their softmax, logits.
      const { logits } = await model
        .createSession()
        .append([...expected.get("idx")!.data.subarray(0, 11)], {
          logits: "all",
        });
      toBeClose(logits, expected.get("lm_head")!.data.subarray(0, 33), { rtol: 0, atol: 2e-5 });
      assert.deepEqual(expected.get("block0")!.data, expected.get("mlpResid")!.data);
    } finally {
      await rm(directory, { recursive: true });
    }
  },
);

test("a continuation keeps the space that it begins with", needs("stories260K"), async () => {
  await using model = await loadModel(join(backbones, "stories260K", "hf"));
  let text = "";
  for await (const piece of generateText(model, "Once upon", { temperature: 0, maxTokens: 3 }))
    text += piece;
  assert.match(text, /^ a time/);
});
