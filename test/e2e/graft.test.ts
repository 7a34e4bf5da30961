/** A memory for a model that has none, and what it learns while the rest of the model stays as it is. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import test, { after, before } from "node:test";
import { fileURLToPath } from "node:url";
import { tableName } from "../../src/at-rest/index.ts";
import { openModelDirectory } from "../../src/checkpoint/node/index.ts";
import { InvalidConfigError } from "../../src/errors.ts";
import { type GraftOptions, graftModel } from "../../src/graft-model.ts";
import { loadModel } from "../../src/index.ts";
import { trainModel, type TrainModelOptions } from "../../src/index-training.ts";
import { readNgramBytes } from "../../src/memory/index.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { type Backend, referenceBackend } from "../../src/tensor/index.ts";
import { findCheckpoints } from "../../src/checkpoint/node/index.ts";
import { miniPreset } from "../models/mini-preset.ts";

const backend = ortBackend({ threads: 1 });
const sample = fileURLToPath(new URL("../../assets/tinyshakespeare.txt", import.meta.url));
let root = "";
let data = "";
const at = (name: string): string => join(root, name);
before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-graft-"));
  data = at("text.txt");
  await writeFile(data, (await readFile(sample, "utf8")).slice(0, 60_000));
  const training = { ...miniPreset.training, steps: 8 };
  await trainModel({
    data: [data],
    preset: { ...miniPreset, training },
    out: at("bare"),
    backend,
    memory: false,
  });
  await writeFile(at("bare/chat_template.jinja"), "{{ messages[0].content }}");
});
after(async () => {
  await rm(root, { recursive: true, force: true });
  await backend.dispose();
});

const rows = { ...miniPreset.memory, layerIds: [0, 1] };
const counted = (): NonNullable<GraftOptions["counted"]> => ({
  order: 3,
  maxBytes: 0,
  text: texts(),
});
async function* texts() {
  yield { text: (await readFile(data, "utf8")).slice(0, 20_000) };
}

/** Logits of a prompt's every position, and of some tokens after it. */
async function logitsOf(directory: string, engine: Backend): Promise<Float32Array[]> {
  await using model = await loadModel(directory, { backend: engine });
  await using session = model.createSession();
  const ids = [...(await model.tokenizer.encode("First Citizen:\nBefore we proceed"))];
  const found = [(await session.append(ids, { logits: "all" })).logits.slice()];
  for (const id of [5, 77, 30, 30]) found.push((await session.append([id])).logits.slice());
  return found;
}

for (const engine of [referenceBackend(), backend])
  test(`a graft changes no logit, to the last bit (${engine.name})`, async () => {
    const kinds: Record<string, Omit<GraftOptions, "out">> = {
      rows: { rows },
      counts: { counted: counted() },
    };
    const plain = await logitsOf(at("bare"), engine);
    for (const [kind, options] of Object.entries(kinds)) {
      const out = at(`${kind}-${engine.name}`);
      const graft = await graftModel(at("bare"), { ...options, out });
      assert.equal(graft.numRows > 0, options.rows !== undefined);
      assert.equal(graft.countedBytes > 0, options.counted !== undefined);
      for (const [i, logits] of (await logitsOf(out, engine)).entries())
        assert.deepEqual(
          new Uint32Array(logits.buffer),
          new Uint32Array(plain[i]!.buffer),
          `${kind}: ${i}`,
        );
    }
    // A kind that is not there yet beside one that is.
    const second = at(`second-${engine.name}`);
    await graftModel(at(`rows-${engine.name}`), { counted: counted(), out: second });
    assert.deepEqual(await logitsOf(second, engine), plain);
  });

/** Bytes of every tensor in the file of the backbone's weights. */
async function tensorsOf(directory: string): Promise<Map<string, string>> {
  await using files = await openModelDirectory(directory);
  const found = new Map<string, string>();
  for (const name of (await files.tensors()).keys())
    found.set(name, Buffer.from(await files.read(name)).toString("base64"));
  return found;
}

const taught: Omit<TrainModelOptions, "data" | "out" | "backend"> = {
  train: "memory",
  overrides: { steps: 12, batch: 4, length: 32, rowFolds: 3 },
};

test("a memory is taught while the backbone keeps every byte, and the record says what it came from", async () => {
  const graft = await graftModel(at("bare"), { rows, counted: counted(), out: at("graft") });
  const notes: string[] = [];
  const result = await trainModel({
    ...taught,
    from: at("graft"),
    data: [data],
    out: at("taught"),
    backend,
    onEvent: (event) => event.type === "phase" && notes.push(event.text),
  });
  const [bare, after1] = [await tensorsOf(at("bare")), await tensorsOf(at("taught"))];
  for (const [name, bytes] of bare) assert.equal(after1.get(name), bytes, name);
  const grafted = await tensorsOf(at("graft"));
  for (const name of ["model.layers.0.engram.wkv.weight", "memory_mixture.evidence.weight"])
    assert.notEqual(after1.get(name), grafted.get(name), name);
  assert.ok(
    result.bitsPerByte < result.bitsPerByteWithoutMemory! - 0.02,
    `${result.bitsPerByte}, ${result.bitsPerByteWithoutMemory}`,
  );
  // What its memory switched off says is what the bare model said.
  const { bitsPerByte, numParams } = JSON.parse(await readFile(at("bare/training.json"), "utf8"));
  assert.ok(Math.abs(result.bitsPerByteWithoutMemory! - bitsPerByte) < 1e-6);
  assert.equal(
    result.numParams,
    numParams + graft.numParams,
    "the frozen weights are weights, too",
  );
  // And what its memory was taught, it can say.
  await using learned = await loadModel(at("taught"), { backend });
  const corpus = readNgramBytes((await learned.corpus())!).header.corpus!;
  assert.deepEqual(corpus, { least: 1, tokens: result.trainTokens, name: basename(data) });
  const record = JSON.parse(await readFile(at("taught/run.json"), "utf8"));
  assert.equal(record.preset, undefined);
  assert.equal(record.train, "memory");
  assert.equal(record.counted.order, 3);
  assert.deepEqual(record.from.map(({ name }: { name: string }) => name).toSorted(), [
    "config.json",
    "model-engram-00001-of-00004.safetensors",
    "model-engram-00002-of-00004.safetensors",
    "model-engram-00003-of-00004.safetensors",
    "model-engram-00004-of-00004.safetensors",
    "model.safetensors",
    "tokenizer.json",
  ]);
  assert.ok(record.from.every(({ sha256 }: { sha256: string }) => /^[0-9a-f]{64}$/.test(sha256)));
  assert.match(await readFile(at("taught/README.md"), "utf8"), /the memory alone/);
  assert.equal(
    await readFile(at("taught/chat_template.jinja"), "utf8"),
    "{{ messages[0].content }}",
  );
  assert.ok(notes.some((note) => /weights to train/.test(note)));
});

test("all of a model goes on from where it was, with its own rows", async () => {
  const from = at("taught");
  const result = await trainModel({
    from,
    overrides: { steps: 1, batch: 4, length: 32, lr: 1e-9, tableLrFactor: 0 },
    data: [data],
    out: at("further"),
    backend,
  });
  const { bitsPerByte } = JSON.parse(await readFile(join(from, "training.json"), "utf8"));
  assert.ok(Math.abs(result.bitsPerByte - bitsPerByte) < 1e-4, `${result.bitsPerByte}`);
  const [before1, now] = [await tensorsOf(from), await tensorsOf(at("further"))];
  for (const layer of rows.layerIds) {
    const table = before1.get(tableName(layer))!;
    assert.ok(/[^A=]/.test(table), "it was taught");
    assert.equal(now.get(tableName(layer)), table);
  }
  assert.deepEqual([...now.keys()].toSorted(), [...before1.keys()].toSorted());
});

test("a count that was stopped leaves no model, and one that is done leaves nothing else", async () => {
  const out = at("counts-at-rest");
  const stop = new AbortController();
  async function* stopping() {
    yield* texts();
    stop.abort();
    yield { text: "" };
  }
  const stopped = { ...counted(), text: stopping() };
  await assert.rejects(graftModel(at("bare"), { counted: stopped, out, signal: stop.signal }), {
    name: "AbortError",
  });
  assert.deepEqual(await readdir(out), []);
  await graftModel(at("bare"), { counted: counted(), out });
  assert.ok(!(await readdir(out)).some((name) => name.startsWith(".")));
});

test("a run with a frozen backbone that was stopped goes on to the same bytes", async () => {
  await graftModel(at("bare"), { counted: counted(), out: at("counting") });
  const options = {
    ...taught,
    overrides: { steps: 12, batch: 4, length: 32 },
    from: at("counting"),
    data: [data],
    backend,
    checkpointEvery: 4,
  };
  const whole = await trainModel({ ...options, out: at("whole") });
  const stop = new AbortController();
  const stopped = trainModel({
    ...options,
    out: at("parts"),
    signal: stop.signal,
    onEvent: (event) => event.type === "step" && event.report.step === 6 && stop.abort(),
  });
  await assert.rejects(stopped, { name: "AbortError" });
  const [checkpoint] = (await findCheckpoints(at("parts/checkpoints"))).slice(-1);
  // A checkpoint is a model, frozen weights and all.
  await using model = await loadModel(checkpoint!.path, { backend });
  assert.equal(model.hasMemory, true);
  const other = trainModel({ ...options, from: at("graft"), out: at("parts"), resume: true });
  await assert.rejects(other, InvalidConfigError);
  const parts = await trainModel({ ...options, out: at("parts"), resume: true });
  assert.equal(parts.bitsPerByte, whole.bitsPerByte);
  assert.deepEqual(await tensorsOf(at("parts")), await tensorsOf(at("whole")));
});

test("what cannot be meant is refused before anything is written", async () => {
  const train = (options: Partial<TrainModelOptions>): Promise<unknown> =>
    trainModel({ data: [data], out: at("no"), backend, ...options });
  const graft = (options: Partial<GraftOptions>, from = "bare"): Promise<unknown> =>
    graftModel(at(from), { out: at("no"), ...options });
  const refused: [() => Promise<unknown>, RegExp][] = [
    [() => train({}), /--preset.*--from/],
    [() => train({ preset: "tiny", from: at("bare") }), /--preset.*--from/],
    [() => train({ preset: "tiny", train: "memory" }), /--train memory goes with --from/],
    [() => train({ from: at("bare"), train: "memory" }), /no memory.*engram graft/],
    [() => train({ from: at("bare"), memory: false }), /--no-memory/],
    [() => train({ from: at("bare"), tokenizer: "{}" }), /--tokenizer/],
    [() => train({ from: at("bare"), overrides: { numLayers: 3 } }), /model\.numLayers.*sizes/],
    [() => train({ from: at("bare"), overrides: { length: 64 } }), /context of 32/],
    [() => graft({ rows }, "graft"), /has learned rows already/],
    [() => graft({ counted: counted() }, "graft"), /has counts already/],
    [() => graft({ rows: { ...rows, layerIds: [2] } }), /layer 2; the model has layers 0\.\.1/],
    [() => graft({ rows: { ...rows, minBucketRows: [9] } }), /minBucketRows/],
  ];
  for (const [attempt, message] of refused)
    await assert.rejects(
      attempt(),
      (error: unknown) => error instanceof InvalidConfigError && message.test(error.message),
      String(message),
    );
  await assert.rejects(readFile(at("no/config.json")), { code: "ENOENT" });
});
