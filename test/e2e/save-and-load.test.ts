/** A model on disk and back: every format of rows at rest, and every reason to refuse. */
import assert from "node:assert/strict";
import { mkdtemp, open, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { tensorSource } from "../../src/checkpoint/index.ts";
import { openModelDirectory, writeSafetensors } from "../../src/checkpoint/node/index.ts";
import {
  bitsPerByte,
  FormatError,
  InvalidConfigError,
  loadModel,
  type Model,
} from "../../src/index.ts";
import {
  buildTokenMap,
  buildLayout,
  CachedStore,
  RamStore,
  ROW_FORMAT_NAMES,
  rowFormat,
} from "../../src/memory/index.ts";
import { initialParams, paramLayout, paramViews } from "../../src/model/index.ts";
import { Random } from "../../src/numerics/index.ts";
import { type ModelToSave, saveModel } from "../../src/save-model.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { parseTokenizerJson, toTokenizerJson, trainBpe } from "../../src/tokenizer/index.ts";
import { toBeClose } from "../conformance/close.ts";
import { smallConfig, smallEngram } from "../models/random-model.ts";
import { removeSums } from "../models/remove-sums.ts";

let root = "";
let saved: ModelToSave;
const headDim = 40;

before(async () => {
  root = await mkdtemp(join(tmpdir(), "engram-save-"));
  const text = "the cat sat on the mat and the Cat sat on THE mat again ";
  const definition = await trainBpe([text.repeat(20)], { vocabSize: 280 });
  const tokenizer = toTokenizerJson(definition);
  const parsed = await parseTokenizerJson(tokenizer);
  const { compressedVocabSize } = buildTokenMap(parsed);
  // 40 values a row: two fp8 scale blocks, the second one short.
  const engram = { ...smallEngram, headDim, compressedVocabSize };
  const config = { ...smallConfig, vocabSize: parsed.vocabSize, engram };
  const layout = paramLayout(config);
  const random = Random.fromSeed(1, "save test");
  const tables = buildLayout(engram).layers.map(({ layerId, numRows }) => {
    const store = new RamStore({ numRows, rowBytes: 4 * headDim });
    const values = new Float32Array(numRows * headDim);
    random.fillNormal(values, 0.3);
    const rows = Uint32Array.from({ length: numRows }, (_, row) => row);
    store.writeSync(rows, new Uint8Array(values.buffer));
    return { layerId, store, format: rowFormat("f32", headDim) };
  });
  const params = paramViews(layout, initialParams(layout, 2));
  saved = { config, tokenizer, eosTokenId: parsed.eosTokenId!, params, tables };
});
after(() => rm(root, { recursive: true, force: true }));

/** All values of the first table. */
async function tableValues({
  store,
  format,
}: ModelToSave["tables"][number]): Promise<Float32Array> {
  const rows = Uint32Array.from({ length: store.numRows }, (_, row) => row);
  const bytes = new Uint8Array(rows.length * store.rowBytes);
  await store.read(rows, bytes);
  const values = new Float32Array(rows.length * format.headDim);
  format.decode(bytes, values);
  return values;
}

for (const tableFormat of ROW_FORMAT_NAMES)
  test(`a model whose rows rest as ${tableFormat} comes back as it was, rounded as they are`, async () => {
    const directory = join(root, tableFormat);
    await saveModel(directory, { ...saved, tableFormat });
    await using model = await loadModel(directory, { backend: referenceBackend() });
    assert.deepEqual(model.config, saved.config);
    for (const [name, { data }] of Object.entries(saved.params))
      assert.deepEqual(model.language.params[name]!.data, data, name);
    const [table] = model.rows!.tables;
    assert.equal(table!.format.name, tableFormat);
    const original = await tableValues(saved.tables[0]!);
    const restored = await tableValues(table!);
    // A round trip through the format's own codec is the expected rounding, row by row.
    const codec = rowFormat(tableFormat, headDim);
    const bytes = new Uint8Array((original.length / headDim) * codec.rowBytes);
    codec.encode(original, bytes);
    const rounded = new Float32Array(original.length);
    codec.decode(bytes, rounded);
    assert.deepEqual(restored, rounded);
    // fp8 has three bits behind the point: at most a sixteenth of the largest of its block off. Integers
    // are off by half a step, of which the largest number (some 1.2 here) has 127 or 7.
    toBeClose(restored, original, {
      rtol: { f32: 0, bf16: 2 ** -8, fp8: 2 ** -4, int8: 0, int4: 0 }[tableFormat],
      atol: { f32: 0, bf16: 0, fp8: 2e-3, int8: 6e-3, int4: 0.1 }[tableFormat],
    });
    await model.createSession().append([saved.eosTokenId, 5, 7]);
  });

for (const tableFormat of ROW_FORMAT_NAMES)
  test(`tables as ${tableFormat} that stay on disk behind a small cache give the same logits, but for the rounding where a step is cut`, async () => {
    const directory = join(root, `disk-${tableFormat}`);
    await saveModel(directory, { ...saved, tableFormat });
    const backend = ortBackend({ threads: 2 });
    await using inRam = await loadModel(directory, { backend });
    await using onDisk = await loadModel(directory, { backend, tableMemory: 20_000 });
    const ids = [saved.eosTokenId, 5, 7, 5, 7, 260, 5];
    const one = inRam.createSession();
    const other = onDisk.createSession();
    for (const part of [ids.slice(0, 4), ids.slice(4, 5), ids.slice(5)])
      toBeClose((await other.append(part)).logits, (await one.append(part)).logits, {
        rtol: 1e-6,
        atol: 1e-7,
      });
    for (const { store } of onDisk.rows!.tables) {
      assert.ok(store instanceof CachedStore);
      assert.ok(store.stats.misses > 0 && store.stats.capacityBytes <= 20_000);
    }
  });

test("weights saved as bf16 come back rounded to it, and rounding them again changes nothing", async () => {
  const [first, second] = [join(root, "half"), join(root, "half-again")];
  await saveModel(first, { ...saved, weightFormat: "bf16" });
  await using model = await loadModel(first, { backend: referenceBackend() });
  for (const [name, { data }] of Object.entries(saved.params)) {
    const restored = model.language.params[name]!.data as Float32Array;
    // Half a unit in the last of bf16's eight bits, and nothing behind them.
    toBeClose(restored, data as Float32Array, { rtol: 2 ** -8, atol: 0 });
    const bits = new Uint32Array(restored.slice().buffer);
    assert.ok(
      bits.every((word) => (word & 0xffff) === 0),
      name,
    );
  }
  const { params } = model.language;
  await saveModel(second, { ...saved, params, weightFormat: "bf16" });
  for (const file of ["model.safetensors", "config.json"])
    assert.deepEqual(await readFile(join(second, file)), await readFile(join(first, file)));
  assert.equal(JSON.parse(await readFile(join(first, "config.json"), "utf8")).dtype, "bfloat16");
});

/** A code for each row of the first table. */
function codesOf({ store }: ModelToSave["tables"][number]): Uint8Array {
  return Uint8Array.from({ length: store.numRows }, (_, row) => (7 * row) % 200);
}

test("uses counted in training survive a rewrite in another format, and a directory without them has none", async () => {
  const [first, second] = [join(root, "counted"), join(root, "counted-again")];
  const [table] = saved.tables;
  const codes = codesOf(table!);
  await saveModel(first, { ...saved, tables: [{ ...table!, useCodes: () => [codes] }] });
  await using model = await loadModel(first, { backend: referenceBackend() });
  const { tables } = model.rows!;
  await saveModel(second, { ...saved, tables, tableFormat: "fp8" });
  await using files = await openModelDirectory(second);
  assert.deepEqual(await files.read("model.layers.1.engram.counts"), codes);
  await using without = await loadModel(join(root, "f32"), { backend: referenceBackend() });
  assert.equal(without.rows!.tables[0]!.useCodes, undefined);
});

test("counts that are not one a row are refused by name", async () => {
  const directory = join(root, "miscounted");
  const [table] = saved.tables;
  const codes = codesOf(table!);
  await saveModel(directory, { ...saved, tables: [{ ...table!, useCodes: () => [codes] }] });
  const file = join(directory, "model-engram-00001-of-00001.safetensors");
  await removeSums(directory);
  const rows = await tableValues(table!);
  const short = codes.subarray(1);
  await writeSafetensors(file, [
    tensorSource(
      { name: "model.layers.1.engram.embed.weight", dtype: "F32", shape: [codes.length, headDim] },
      rows,
    ),
    tensorSource(
      { name: "model.layers.1.engram.counts", dtype: "U8", shape: [short.length] },
      short,
    ),
  ]);
  await assert.rejects(
    loadModel(directory, { backend: referenceBackend() }),
    (error) =>
      error instanceof FormatError &&
      /"model\.layers\.1\.engram\.counts" should be \[\d+\] by config\.json, it is \[\d+\]/.test(
        error.message,
      ),
  );
  await using model = await loadModel(directory, { backend: referenceBackend(), memory: false });
  assert.equal(model.hasMemory, false);
});

test("a model that is closed while its caches are being warmed stops warming, and nothing fails", async () => {
  const directory = join(root, "closed-early");
  const [table] = saved.tables;
  const codes = codesOf(table!);
  await saveModel(directory, { ...saved, tables: [{ ...table!, useCodes: () => [codes] }] });
  const model = await loadModel(directory, { backend: referenceBackend(), tableMemory: 20_000 });
  await model.close();
  assert.ok(model.memoryReport!.cache!.warmedRows < codes.length);
});

test("a table memory that holds no row is refused with the numbers", async () => {
  const opening = loadModel(join(root, "f32"), { backend: referenceBackend(), tableMemory: 50 });
  await assert.rejects(
    opening,
    (error) => error instanceof InvalidConfigError && /rows of 160 bytes.*got/.test(error.message),
  );
});

test("a released-style fp8 table lies in two tensors of the released types", async () => {
  const index = JSON.parse(
    await readFile(join(root, "fp8", "model.safetensors.index.json"), "utf8"),
  );
  const table = "model.layers.1.engram.embed";
  const file = index.weight_map[`${table}.weight`];
  assert.equal(index.weight_map[`${table}.scale`], file);
  const bytes = await readFile(join(root, "fp8", file));
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + Number(bytes.readBigUInt64LE(0))));
  const rows = saved.tables[0]!.store.numRows;
  assert.equal(header[`${table}.weight`].dtype, "F8_E4M3");
  assert.deepEqual(header[`${table}.weight`].shape, [rows, headDim]);
  assert.equal(header[`${table}.scale`].dtype, "F8_E8M0");
  assert.deepEqual(header[`${table}.scale`].shape, [rows, 2]);
});

async function copyWith(
  name: string,
  change: (directory: string) => Promise<void>,
): Promise<string> {
  const directory = join(root, name);
  await saveModel(directory, saved);
  await removeSums(directory);
  await change(directory);
  return directory;
}

async function editConfig(directory: string, changes: object): Promise<void> {
  const file = join(directory, "config.json");
  const config = JSON.parse(await readFile(file, "utf8"));
  await writeFile(file, JSON.stringify({ ...config, ...changes }));
}

const refusals: readonly [
  string,
  (directory: string) => Promise<void>,
  RegExp,
  typeof FormatError | typeof InvalidConfigError,
][] = [
  [
    "a compressed vocabulary that is not the tokenizer's",
    (d) => editConfig(d, { engram_compressed_vocab_size: 17 }),
    /expects 17 compressed ids .* tokenizer\.json gives \d+; every address would change/,
    InvalidConfigError,
  ],
  [
    "hash constants that are not the configuration's",
    (d) => editConfig(d, { engram_seed: 5 }),
    /"multipliers" should be .* every address would change/,
    FormatError,
  ],
  [
    "a table cut short",
    (d) => truncate(join(d, "model-engram-00001-of-00001.safetensors"), 3000),
    /model-engram-00001-of-00001\.safetensors: .*3000/,
    FormatError,
  ],
  [
    "weights of another shape",
    (d) => editConfig(d, { intermediate_size: 32 }),
    /"model\.layers\.0\.mlp\.gate_proj\.weight" should be \[32, 16\] by config\.json, it is \[24, 16\]/,
    FormatError,
  ],
  [
    "a vocabulary of another size than the weights",
    (d) => editConfig(d, { vocab_size: 281 }),
    /"model\.embed_tokens\.weight" should be \[281, 16\] by config\.json, it is \[280, 16\]/,
    FormatError,
  ],
  [
    "a tokenizer of another size",
    async (d) => {
      const definition = await trainBpe(["the cat sat on the mat"], { vocabSize: 264 });
      await writeFile(join(d, "tokenizer.json"), toTokenizerJson(definition));
    },
    /vocab_size 280, tokenizer\.json has \d+/,
    InvalidConfigError,
  ],
  [
    "settings that are missing",
    (d) => editConfig(d, { head_dim: undefined }),
    /"head_dim" must be a whole number of 1\.\.2147483647, got nothing/,
    InvalidConfigError,
  ],
];
for (const [name, change, message, kind] of refusals)
  test(`${name} is refused by name`, async () => {
    const directory = await copyWith(name.replaceAll(" ", "-"), change);
    await assert.rejects(loadModel(directory, { backend: referenceBackend() }), (error: Error) => {
      assert.ok(error instanceof kind, `${error.name}: ${error.message}`);
      assert.match(error.message, message);
      return true;
    });
  });

test("a table larger than the free memory is refused with the numbers, before it is read", async () => {
  // 78 GB of rows as a hole in a file: more than these machines have, and nothing may try.
  const rows = 250_000_000_000 / 64;
  const directory = await copyWith("huge", async (d) => {
    const base = Math.floor(rows / 4);
    const engram = { ...saved.config.engram!, minBucketRows: [base >> 3, base >> 3] };
    const { numRows } = buildLayout(engram).layers[0]!;
    const { engram_hash: _constants, ...config } = JSON.parse(
      await readFile(join(d, "config.json"), "utf8"),
    );
    config.engram_vocab_size = base >> 3;
    config.engram_num_embeddings = [numRows];
    await writeFile(join(d, "config.json"), JSON.stringify(config));
    const header = JSON.stringify({
      "model.layers.1.engram.embed.weight": {
        dtype: "F32",
        shape: [numRows, headDim],
        data_offsets: [0, 4 * numRows * headDim],
      },
    });
    const padded = header.padEnd(Math.ceil(header.length / 8) * 8);
    const file = await open(join(d, "model-engram-00001-of-00001.safetensors"), "w");
    const start = Buffer.alloc(8 + padded.length, padded, "utf8");
    start.writeBigUInt64LE(BigInt(padded.length), 0);
    start.write(padded, 8);
    await file.write(start);
    await file.truncate(start.length + 4 * numRows * headDim);
    await file.close();
  });
  await assert.rejects(
    loadModel(directory, { backend: referenceBackend() }),
    /needs \d+\.\d+ GiB of memory .* \d+\.\d+ GiB are available; free some, or open it with --no-memory/,
  );
  await using model = await loadModel(directory, { backend: referenceBackend(), memory: false });
  assert.equal(model.hasMemory, false);
});

test("meters that measured nothing say nothing, and those that did say what", async () => {
  const directory = join(root, "meters");
  await saveModel(directory, saved);
  const backend = referenceBackend();
  const { numRows, rowBytes } = saved.tables[0]!.store;
  {
    await using model = await loadModel(directory, { backend });
    const report = (): Model["memoryReport"] => model.memoryReport;
    const ram = { tier: "ram", rows: numRows, bytes: numRows * rowBytes };
    assert.deepEqual(report(), { tiers: [ram], cache: undefined });
    await bitsPerByte(model, [{ text: "the cat sat" }]);
    assert.deepEqual(
      model.memoryReport,
      { tiers: [ram], cache: undefined },
      "scoring has no steps",
    );
    await using session = model.createSession();
    await session.append([1, 2, 3]);
    assert.equal(report()?.costs?.steps, 1);
    assert.deepEqual(report()?.tiers, [ram]);
  }
  await using model = await loadModel(directory, { backend, tableMemory: 4096, warm: false });
  await using session = model.createSession();
  await session.append([1, 2, 3]);
  const [ram, disk] = model.memoryReport!.tiers;
  assert.ok(ram!.rowsAsked! > 0 && !("readSeconds" in ram!));
  assert.ok(disk!.rowsAsked! > 0 && disk!.readSeconds! > 0);
});
