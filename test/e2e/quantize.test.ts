/**
 * A model written with packed weights and converted rows, and read back: the same model as measured
 * before it was written; other packings, and files that were tampered with, are refused by name.
 */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { corpusOfText } from "../../src/corpus-of-text.ts";
import { EngramError, FormatError, InvalidConfigError } from "../../src/errors.ts";
import { Decoder } from "../../src/inference/index.ts";
import { loadModel } from "../../src/load-model.ts";
import type { Model } from "../../src/opened-model.ts";
import { buildLayout, buildTokenMap, RamStore, rowFormat } from "../../src/memory/index.ts";
import { dequantizeMatrix, initialParams, paramLayout, paramViews } from "../../src/model/index.ts";
import { Random } from "../../src/numerics/index.ts";
import {
  bytesInFormats,
  formatsOf,
  inFormats,
  type ModelFormats,
  openOriginal,
  writeInFormats,
} from "../../src/quantize-model.ts";
import { saveModel } from "../../src/save-model.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../../src/tokenizer/index.ts";
import { packableConfig, smallEngram } from "../models/random-model.ts";
import { removeSums } from "../models/remove-sums.ts";

let root = "";
let original: Model;
const backend = referenceBackend();
const ids = [1, 5, 7, 5, 7, 260, 5];

before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-quantize-"));
  const text = "the cat sat on the mat and the Cat sat on THE mat again ";
  const tokenizer = toTokenizerJson(await trainBpe([text.repeat(20)], { vocabSize: 280 }));
  const parsed = await parseTokenizerJson(tokenizer);
  const { compressedVocabSize } = buildTokenMap(parsed);
  const engram = { ...smallEngram, compressedVocabSize };
  const config = { ...packableConfig, vocabSize: parsed.vocabSize, engram };
  const layout = paramLayout(config);
  const random = Random.fromSeed(1, "quantize test");
  const { headDim } = engram;
  const tables = buildLayout(engram).layers.map(({ layerId, numRows }) => {
    const store = new RamStore({ numRows, rowBytes: 4 * headDim });
    const values = new Float32Array(numRows * headDim);
    random.fillNormal(values, 0.3);
    const rows = Uint32Array.from({ length: numRows }, (_, row) => row);
    store.writeSync(rows, new Uint8Array(values.buffer));
    return { layerId, store, format: rowFormat("f32", headDim) };
  });
  const params = paramViews(layout, initialParams(layout, 2));
  const directory = join(root, "original");
  const tokens = Uint32Array.from(await parsed.encode(text));
  const read = { tokens, starts: Uint32Array.of(0), numBytes: text.length };
  const tokenMap = buildTokenMap(parsed);
  const corpus = await corpusOfText(read, { config, tokenMap, tokenizer, data: ["cats"] });
  const { eosTokenId = 0 } = parsed;
  await saveModel(directory, { config, tokenizer, eosTokenId, params, tables, corpus });
  await writeFile(join(directory, "chat_template.jinja"), "{{ messages[0].content }}");
  original = await openOriginal(directory, { backend });
});
after(async () => {
  await original.close();
  await rm(root, { recursive: true, force: true });
});

async function written(name: string, formats: ModelFormats): Promise<string> {
  const out = join(root, name);
  await writeInFormats(original, { out, formats, certificate: { version: 1, formats } });
  return out;
}

const choices: readonly ModelFormats[] = [
  { weights: "q4", rows: "f32" },
  { weights: "q8", rows: "bf16" },
  { weights: "f32", rows: "int4" },
  { weights: "q4", rows: "int8" },
  { weights: "q8", rows: "fp8" },
];
for (const formats of choices)
  test(`weights as ${formats.weights} and rows as ${formats.rows} come back as they were measured`, async () => {
    const out = await written(`${formats.weights}-${formats.rows}`, formats);
    await using model = await loadModel(out, { backend });
    assert.deepEqual(formatsOf(model.language), formats);
    assert.deepEqual(model.config, original.config);
    assert.equal(model.chatTemplate, "{{ messages[0].content }}");
    assert.deepEqual(await model.corpus(), await original.corpus());
    assert.notEqual(await model.corpus(), undefined);
    const measured = inFormats(original.language, formats);
    assert.deepEqual(
      (await model.createSession().append(ids, { logits: "all" })).logits,
      (await new Decoder(measured).createSession().append(ids, { logits: "all" })).logits,
    );
    const certificate = JSON.parse(await readFile(join(out, "quantization.json"), "utf8"));
    assert.deepEqual(certificate.formats, formats);
    let data = 0;
    for (const name of (await readdir(out)).filter((n) => n.endsWith(".safetensors"))) {
      const bytes = await readFile(join(out, name));
      data += bytes.length - 8 - Number(bytes.readBigUInt64LE(0));
    }
    assert.equal(data, await bytesInFormats(original, formats));
  });

for (const dtype of ["q8", "q4"] as const)
  test(`weights packed to ${dtype} while they are read are those of the packed file`, async () => {
    await using model = await loadModel(original.path, { backend, dtype });
    const packed = inFormats(original.language, { weights: dtype, rows: "f32" });
    assert.deepEqual(model.language.quantized, packed.quantized);
    assert.deepEqual(Object.keys(model.language.params), Object.keys(packed.params));
  });

test("the packed layout is that of compressed-tensors", async () => {
  const out = await written("layout", { weights: "q4", rows: "f32" });
  const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
  assert.equal(config.quantization_config.quant_method, "compressed-tensors");
  assert.equal(config.quantization_config.format, "pack-quantized");
  const bytes = await readFile(join(out, "model.safetensors"));
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
  const name = "model.layers.0.mlp.down_proj.weight";
  assert.equal(header[name], undefined);
  const entry = (suffix: string) => header[`${name}_${suffix}`];
  assert.deepEqual([entry("packed").dtype, entry("packed").shape], ["I32", [32, 8]]);
  assert.deepEqual([entry("scale").dtype, entry("scale").shape], ["BF16", [32, 2]]);
  assert.deepEqual([entry("shape").dtype, entry("shape").shape], ["I64", [2]]);
  // Unpacked as its authors do it: eight codes to an int32, the first in the lowest bits, minus 8.
  const at = 8 + headerBytes + entry("packed").data_offsets[0];
  const scaleAt = 8 + headerBytes + entry("scale").data_offsets[0];
  const scale = new Float32Array(new Uint32Array([bytes.readUInt16LE(scaleAt) << 16]).buffer)[0]!;
  const numbers = original.language.params[name]!.data;
  for (let i = 0; i < 32; i++) {
    const word = bytes.readInt32LE(at + 4 * Math.floor(i / 8));
    const value = (((word >>> (4 * (i % 8))) & 15) - 8) * scale;
    assert.ok(Math.abs(value - numbers[i]!) <= Math.abs(scale) * 2.5, `${value} ${numbers[i]}`);
  }
});

test("what is quantised is not quantised again, and opens as it is or as the numbers it stands for", async () => {
  const out = await written("twice", { weights: "q4", rows: "int8" });
  await using model = await openOriginal(out, { backend });
  for (const weights of ["q8", "f32"] as const)
    assert.throws(() => inFormats(model.language, { weights, rows: "int8" }), /packed as q4/);
  assert.throws(
    () => inFormats(model.language, { weights: "q4", rows: "int4" }),
    /rest as int8 already/,
  );
  await assert.rejects(loadModel(out, { backend, dtype: "q8" }), /holds its weights as q4/);
  await using same = await loadModel(out, { backend, dtype: "q4" });
  assert.equal(formatsOf(same.language).weights, "q4");
  await using numbers = await loadModel(out, { backend, dtype: "f32" });
  for (const [name, matrix] of same.language.quantized!)
    assert.deepEqual(numbers.language.params[name]!.data, dequantizeMatrix(matrix).data, name);
});

test("rows of a model without a memory cannot be converted", async () => {
  const plain = { ...original.language, memory: undefined };
  assert.throws(() => inFormats(plain, { weights: "f32", rows: "int8" }), /has no memory/);
});

const packings: readonly [string, (q: Record<string, unknown>) => unknown][] = [
  ["another method", (q) => ({ ...q, quant_method: "gptq" })],
  ["another format", (q) => ({ ...q, format: "float-quantized" })],
  ["no groups", (q) => ({ ...q, config_groups: {} })],
  ["text", () => "q4"],
  [
    "another group size",
    (q) => JSON.parse(JSON.stringify(q).replace('"group_size":32', '"group_size":128')),
  ],
  [
    "zero points",
    (q) => JSON.parse(JSON.stringify(q).replace('"symmetric":true', '"symmetric":false')),
  ],
  ["3 bits", (q) => JSON.parse(JSON.stringify(q).replace('"num_bits":4', '"num_bits":3'))],
  [
    "packed activations",
    (q) =>
      JSON.parse(
        JSON.stringify(q).replace('"input_activations":null', '"input_activations":{"num_bits":8}'),
      ),
  ],
];
for (const [name, change] of packings)
  test(`a packing with ${name} is refused`, async () => {
    const out = await written(`packing-${name.replaceAll(" ", "-")}`, {
      weights: "q4",
      rows: "f32",
    });
    const file = join(out, "config.json");
    await removeSums(out);
    const config = JSON.parse(await readFile(file, "utf8"));
    config.quantization_config = change(config.quantization_config);
    await writeFile(file, JSON.stringify(config));
    await assert.rejects(loadModel(out, { backend }), (error) => {
      assert.ok(error instanceof InvalidConfigError);
      assert.match(error.message, /quantization_config/);
      return true;
    });
  });

/** Replaces text in a safetensors header by text of the same length. */
async function editHeader(directory: string, from: string, to: string): Promise<void> {
  const file = join(directory, "model.safetensors");
  const bytes = await readFile(file);
  const end = 8 + Number(bytes.readBigUInt64LE(0));
  const header = bytes.toString("latin1", 8, end);
  assert.ok(header.includes(from) && from.length === to.length);
  bytes.write(header.replace(from, to), 8, "latin1");
  await writeFile(file, bytes);
}

const q = "model.layers.0.self_attn.q_proj.weight";
const tampering: readonly [string, (directory: string) => Promise<void>, RegExp][] = [
  [
    "codes under another name",
    (d) => editHeader(d, `${q}_packed`, `${q}_pAcked`),
    /holds tensor ".*q_proj\.weight_pAcked", .* says it is in no file/,
  ],
  [
    "scales of another type",
    (d) => editHeader(d, '"BF16"', '"F16" '),
    /_scale" should be BF16, it is F16/,
  ],
  [
    "codes of another shape",
    (d) => editHeader(d, '"shape":[32,4]', '"shape":[16,8]'),
    /should be \[\d+, \d+\] by config\.json/,
  ],
  [
    "config.json that says 8 bits",
    async (d) => {
      const file = join(d, "config.json");
      const text = await readFile(file, "utf8");
      await writeFile(file, text.replace('"num_bits": 4', '"num_bits": 8'));
    },
    /_packed" should be/,
  ],
];
for (const [name, change, message] of tampering)
  test(`${name} are found`, async () => {
    const out = await written(`tampered-${name.replaceAll(" ", "-")}`, {
      weights: "q4",
      rows: "f32",
    });
    await removeSums(out);
    await change(out);
    await assert.rejects(loadModel(out, { backend }), (error) => {
      assert.ok(error instanceof FormatError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });

test("a scale that is no number is found", async () => {
  const out = await written("nan", { weights: "q8", rows: "f32" });
  await removeSums(out);
  const file = join(out, "model.safetensors");
  const bytes = await readFile(file);
  const headerBytes = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes));
  bytes.writeUInt16LE(0x7fc0, 8 + headerBytes + header[`${q}_scale`].data_offsets[0] + 2);
  await writeFile(file, bytes);
  await assert.rejects(loadModel(out, { backend }), /q_proj\.weight_scale" holds NaN/);
});

test("whatever happens to the bytes of a header, the model opens or is refused with reasons", async () => {
  const out = await written("fuzzed", { weights: "q4", rows: "int4" });
  await removeSums(out);
  const file = join(out, "model.safetensors");
  const sound = await readFile(file);
  const end = 8 + Number(sound.readBigUInt64LE(0));
  const random = Random.fromSeed(7, "fuzz");
  let refused = 0;
  for (let round = 0; round < 150; round++) {
    const bytes = Buffer.from(sound);
    const flips = 1 + Math.floor(random.uniform() * 3);
    for (let i = 0; i < flips; i++)
      bytes[Math.floor(random.uniform() * end)] = Math.floor(random.uniform() * 256);
    const length = round % 5 === 0 ? Math.floor(random.uniform() * bytes.length) : bytes.length;
    await writeFile(file, bytes.subarray(0, length));
    try {
      await using model = await loadModel(out, { backend });
      assert.equal(formatsOf(model.language).weights, "q4");
    } catch (error) {
      assert.ok(error instanceof EngramError, `round ${round}: ${String(error)}`);
      refused++;
    }
  }
  assert.ok(refused > 100, `${refused} of 150 refused`);
});
