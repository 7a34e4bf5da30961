/** A memory for models of outside families: their files keep every byte, and what they say keeps every bit. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { countedSources } from "../../src/at-rest/index.ts";
import { openModelDirectory } from "../../src/checkpoint/node/index.ts";
import { graftModel } from "../../src/graft-model.ts";
import { loadModel, type Model, type WeightDtype } from "../../src/index.ts";
import { trainModel } from "../../src/index-training.ts";
import {
  buildCountedTable,
  DISCOUNT_BESIDE_A_MODEL,
  sortByContext,
  tableInRam,
} from "../../src/memory/index.ts";
import { dequantizeMatrix, type QuantizedMatrix } from "../../src/model/index.ts";
import { inFormats, openOriginal, writeInFormats } from "../../src/quantize-model.ts";
import { type Document, packDocuments } from "../../src/training/index.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { blockGguf } from "../models/block-gguf.ts";

const families = fileURLToPath(new URL("../golden/families", import.meta.url));
const backend = ortBackend({ threads: 1 });
const root = await mkdtemp(join(tmpdir(), "engram-graft-families-"));
after(async () => {
  await rm(root, { recursive: true, force: true });
  await backend.dispose();
});
const data = join(root, "text.txt");
const text = "the cat sat on the mat, and the dog sat on the cat; ".repeat(40);
await writeFile(data, text);

async function logitsOf(
  directory: string,
  ids: readonly number[],
  dtype?: WeightDtype,
): Promise<Float32Array[]> {
  await using model = await loadModel(directory, { backend, dtype });
  await using session = model.createSession();
  const found = [(await session.append(ids.slice(0, 9), { logits: "all" })).logits.slice()];
  for (const id of ids.slice(9, 12)) found.push((await session.append([id])).logits.slice());
  return found;
}

async function tensorsOf(directory: string): Promise<Map<string, string>> {
  await using files = await openModelDirectory(directory);
  const found = new Map<string, string>();
  for (const name of (await files.tensors()).keys())
    found.set(name, Buffer.from(await files.read(name)).toString("base64"));
  return found;
}

/** The tensors of counts, as they are made in memory: of the model's ids, each text behind what its texts begin with. */
async function countsOf(
  { config: { vocabSize }, tokenizer }: Model,
  documents: AsyncIterable<Document>,
): Promise<Map<string, string>> {
  const discount = DISCOUNT_BESIDE_A_MODEL;
  const sorted = sortByContext(await packDocuments(documents, tokenizer), { order: 3, vocabSize });
  const table = tableInRam(buildCountedTable(sorted, { vocabSize, discount }));
  const found = new Map<string, string>();
  for (const { name, chunks } of countedSources(table).flat()) {
    const bytes: Uint8Array[] = [];
    for await (const chunk of chunks()) bytes.push(chunk);
    found.set(name, Buffer.concat(bytes).toString("base64"));
  }
  return found;
}

const rows = { layerIds: [1], maxNgramSize: 3, numHeads: 2, headDim: 4, minBucketRows: [50, 90] };

for (const name of readdirSync(families))
  test(`${name}: a graft changes nothing, and its memory is taught without moving the rest`, async () => {
    const from = join(families, name);
    const { ids } = JSON.parse(await readFile(join(from, "expected.json"), "utf8"));
    const [grafted, taught] = [join(root, name), join(root, `${name}-taught`)];
    async function* documents() {
      yield { text };
    }
    await graftModel(from, {
      out: grafted,
      rows,
      counted: { order: 3, maxBytes: 0, text: documents() },
    });
    const [before, now] = [await logitsOf(from, ids), await logitsOf(grafted, ids)];
    for (const [i, logits] of now.entries())
      assert.deepEqual(new Uint32Array(logits.buffer), new Uint32Array(before[i]!.buffer));
    const tensors = await tensorsOf(grafted);
    for (const [tensor, bytes] of await tensorsOf(from)) assert.equal(tensors.get(tensor), bytes);
    await using bare = await loadModel(from, { backend });
    for (const [tensor, bytes] of await countsOf(bare, documents()))
      assert.equal(tensors.get(tensor), bytes, tensor);
    await trainModel({
      from: grafted,
      train: "memory",
      overrides: { steps: 3, batch: 2, length: 16, rowFolds: 2, "counted.folds": 2 },
      data: [data],
      out: taught,
      backend,
    });
    await using model = await loadModel(taught, { backend });
    for (const [param, { data: found }] of Object.entries(bare.language.params))
      assert.deepEqual(model.language.params[param]!.data, found, param);
    assert.notDeepEqual(await logitsOf(taught, ids), before);
  });

/** Taught a little of the text, all of it. */
async function goOn(from: string, out: string) {
  await trainModel({
    from,
    overrides: { steps: 2, batch: 2, length: 16, rowFolds: 2, "counted.folds": 2 },
    data: [data],
    out,
    backend,
  });
}

test("a model that is trained further ends its texts where it did, whatever files say so", async () => {
  const [from, out] = [join(root, "bare"), join(root, "bare-further")];
  const filter = (path: string): boolean => !path.endsWith("generation_config.json");
  await cp(join(families, "llama"), from, { recursive: true, filter });
  const settings = JSON.parse(await readFile(join(from, "config.json"), "utf8"));
  const config = { ...settings, eos_token_id: [2, 7] };
  await writeFile(join(from, "config.json"), JSON.stringify(config));
  await goOn(from, out);
  await using before = await loadModel(from, { backend });
  await using after1 = await loadModel(out, { backend });
  assert.deepEqual(after1.tokenizer.bounds, before.tokenizer.bounds);
  assert.deepEqual(after1.sampling, before.sampling);
});

test("a GGUF file is grafted and trained like its directory", async () => {
  const from = fileURLToPath(new URL("../golden/families-gguf/qwen2.gguf", import.meta.url));
  const { ids } = JSON.parse(await readFile(join(families, "qwen2/expected.json"), "utf8"));
  const [grafted, out] = [join(root, "gguf"), join(root, "gguf-further")];
  assert.equal((await graftModel(from, { out: grafted, rows })).isUnpacked, false);
  assert.deepEqual(await logitsOf(grafted, ids), await logitsOf(from, ids));
  await goOn(from, out);
  const record = JSON.parse(await readFile(join(out, "run.json"), "utf8"));
  assert.deepEqual(
    record.from.map((file: { name: string }) => file.name),
    ["qwen2.gguf"],
  );
  await using before = await loadModel(from, { backend });
  await using after1 = await loadModel(out, { backend });
  assert.deepEqual(after1.config, before.config);
  assert.deepEqual(after1.tokenizer.bounds, before.tokenizer.bounds);
  assert.notDeepEqual(await logitsOf(out, ids), await logitsOf(from, ids));
});

test("packed models are grafted and taught as the numbers that they stand for", async () => {
  const [file, numbers] = [join(root, "blocks.gguf"), join(root, "blocks")];
  await writeFile(file, blockGguf());
  assert.equal((await graftModel(file, { out: numbers, rows })).isUnpacked, true);
  const ids = [1, 32, 22, 10, 7, 32, 5, 3, 22, 32, 21, 3, 22];
  const asNumbers = await logitsOf(file, ids, "f32");
  assert.notDeepEqual(await logitsOf(file, ids), asNumbers, "blocks are multiplied as they are");
  assert.deepEqual(await logitsOf(numbers, ids), asNumbers);
  await assert.rejects(openOriginal(file, { backend }), /in blocks of another format/);

  await using original = await openOriginal(numbers, { backend });
  for (const weights of ["q8", "q4"] as const) {
    const formats = { weights, rows: "f32" } as const;
    const [packed, counting, taught] = ["", "-counting", "-taught"].map((s) =>
      join(root, weights + s),
    ) as [string, string, string];
    await writeInFormats(original, { out: packed, formats, certificate: {} });
    async function* documents() {
      yield { text };
    }
    const counted = { order: 3, maxBytes: 0, text: documents() };
    await graftModel(packed, { out: counting, counted });
    assert.deepEqual(await logitsOf(counting, ids), await logitsOf(packed, ids, "f32"));
    await trainModel({
      from: packed,
      train: "memory",
      overrides: { steps: 2, batch: 2, length: 16, rowFolds: 2 },
      data: [data],
      out: taught,
      backend,
    });
    // Packed again, the backbone stands for the numbers that it stood for: nothing is lost on the way.
    await using model = await openOriginal(taught, { backend });
    const { quantized } = inFormats(model.language, formats);
    await using before = await loadModel(packed, { backend });
    const backbone = [...before.language.quantized!].filter(([name]) => !name.includes("engram"));
    assert.equal(backbone.length, 15);
    const unpacked = (matrix: QuantizedMatrix) =>
      dequantizeMatrix(matrix).data.map((x) => (x === 0 ? 0 : x));
    for (const [name, matrix] of backbone)
      assert.deepEqual(unpacked(quantized!.get(name)!), unpacked(matrix), name);
  }
});
