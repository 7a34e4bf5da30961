/** Models that count, alone and beside learned rows: saved, opened from every place, quantised, damaged, trained. */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { countedSources, countsIdentity } from "../../src/at-rest/index.ts";
import { writeElsewhere } from "../../src/at-rest/node/index.ts";
import type { TensorSource } from "../../src/checkpoint/index.ts";
import { openModelDirectory, writeSafetensors } from "../../src/checkpoint/node/index.ts";
import { FormatError, InvalidConfigError, loadModel, type Model } from "../../src/index.ts";
import { rowFormat, type RowStore } from "../../src/memory/index.ts";
import { inFormats, writeInFormats } from "../../src/quantize-model.ts";
import { saveModel } from "../../src/save-model.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { parseTokenizerJson } from "../../src/tokenizer/index.ts";
import { trainModel } from "../../src/train-model.ts";
import { miniPreset } from "../models/mini-preset.ts";
import { idsOf, modelToSave } from "../models/model-to-save.ts";
import { removeSums } from "../models/remove-sums.ts";
import { startRangeServer } from "../range-server.ts";

const root = await mkdtemp(join(tmpdir(), "engram-counted-"));
after(() => rm(root, { recursive: true, force: true }));
const backend = referenceBackend();
const order = 4;

const counted = { order };
const { tokenizer, counts } = await modelToSave({ hasMemory: false, counted });
const table = counts!;
const parsed = await parseTokenizerJson(tokenizer);
const { vocabSize } = parsed;
const ids = await idsOf(parsed);

/** What the model says after each id of a text, and of some of them without its memory. */
async function logitsOf(model: Model, options: { memory?: boolean } = {}): Promise<number[]> {
  await using session = model.createSession(options);
  const said: number[] = [];
  for (const piece of [ids.slice(0, 5), ids.slice(5, 6), ids.slice(6, 9)])
    said.push(...(await session.append(piece, { logits: "all" })).logits);
  return said;
}

/** Answers later, and never at once. */
function slowly(store: RowStore): RowStore {
  const { numRows, rowBytes } = store;
  return {
    numRows,
    rowBytes,
    inner: store,
    async read(rows, into): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 2));
      await store.read(rows, into);
    },
    close: () => store.close(),
  };
}

for (const hasRows of [false, true])
  describe(`a model with counts ${hasRows ? "and learned rows" : "alone"}`, async () => {
    const directory = join(root, String(hasRows));
    const saved = await modelToSave({ hasMemory: hasRows, counted });
    await saveModel(directory, saved);
    const inRam = await loadModel(directory, { backend });
    after(() => inRam.close());
    const expected = await logitsOf(inRam);

    test("says the same from every place, however slow", async () => {
      assert.equal(inRam.counts?.table.order, order);
      assert.equal(inRam.rows !== undefined, hasRows);
      const tables = join(root, `tables-${hasRows}`);
      await mkdir(tables);
      const layerId = saved.config.numLayers;
      await writeElsewhere(
        { address: tables },
        { ...(await countsIdentity(table, layerId)), model: directory, source: table.buckets },
      );
      const files: Record<string, Uint8Array> = {};
      for (const name of await readdir(tables)) files[name] = await readFile(join(tables, name));
      await using web = await startRangeServer(files);
      const elsewhere = hasRows
        ? []
        : [{ table: { address: tables } }, { table: { address: web.origin } }];
      for (const options of [
        { wrapStore: slowly },
        { tableMemory: 256 * 2 },
        { tableMemory: 1 << 16 },
        { tableMemory: 256 * 2, wrapStore: slowly },
        ...elsewhere,
      ]) {
        await using model = await loadModel(directory, { backend, ...options });
        const said = await logitsOf(model);
        // Late rows are waited for between parts of the graph, whose streams are rounded there.
        const most = hasRows ? 1e-5 : 0;
        assert.ok(
          said.every((logit, i) => Math.abs(logit - expected[i]!) <= most),
          JSON.stringify(options),
        );
      }
    });

    test("reports its table with its tier, and hints change nothing", async () => {
      await using model = await loadModel(directory, { backend, tableMemory: 1 << 16 });
      const memory = model.language.memory!;
      const reader = memory.reader();
      reader.hint(reader.address([{ ids, from: 0, to: ids.length }]));
      const said = await logitsOf(model);
      assert.ok(said.every((logit, i) => Math.abs(logit - expected[i]!) <= 1e-5));
      const { tiers } = memory.report();
      const disk = tiers.find(({ tier }) => tier === "disk");
      const rows = saved.tables.reduce((sum, { store }) => sum + store.numRows, 0);
      assert.equal(disk?.rows, rows + table.buckets.numRows);
    });

    test("without its memory it is the backbone, opened so or switched off", async () => {
      const bare = await logitsOf(inRam, { memory: false });
      await using model = await loadModel(directory, { backend, memory: false });
      assert.deepEqual(await logitsOf(model), bare);
      assert.notDeepEqual(bare, expected);
    });

    test("quantised, it keeps its counts", async () => {
      const out = join(root, `quantized-${hasRows}`);
      const formats = { weights: "q8", rows: hasRows ? "bf16" : undefined } as const;
      await writeInFormats(inRam, { out, formats, certificate: {} });
      await using model = await loadModel(out, { backend });
      await using files = await openModelDirectory(out);
      await using before = await openModelDirectory(directory);
      for (const { name } of countedSources(table).flat())
        assert.deepEqual(await files.read(name), await before.read(name), name);
      assert.equal(model.counts?.numBytes, inRam.counts?.numBytes);
      assert.equal(inFormats(inRam.language, formats).memory?.numDistributions, order - 1);
    });
  });

describe("counts that are not as they were saved", async () => {
  const saved = await modelToSave({ hasMemory: false, counted });
  const [buckets, directory] = countedSources(table);

  /** The model with other tensors for its counts. */
  async function withTensors(
    name: string,
    change: (tensors: TensorSource[]) => TensorSource[],
  ): Promise<string> {
    const path = join(root, name);
    await saveModel(path, saved);
    await removeSums(path);
    const index = JSON.parse(await readFile(join(path, "model.safetensors.index.json"), "utf8"));
    const changed = change([...buckets, ...directory]);
    const file = "model-engram-00001-of-00002.safetensors";
    await writeSafetensors(join(path, file), changed, {});
    const weights = Object.entries<string>(index.weight_map).filter(
      ([tensor]) => !tensor.startsWith("memory_counts"),
    );
    const weight_map = Object.fromEntries([
      ...weights,
      ...changed.map((tensor) => [tensor.name, file] as const),
    ]);
    await writeFile(
      join(path, "model.safetensors.index.json"),
      JSON.stringify({ ...index, weight_map }),
    );
    return path;
  }

  const others = (
    name: string,
    data: Uint32Array | Float64Array,
    dtype: "U32" | "F64" | "I32" = "U32",
  ): TensorSource => ({
    name: `memory_counts.${name}`,
    dtype,
    shape: [data.length],
    chunks: () => [new Uint8Array(data.buffer)],
  });
  const { offsets, unigrams, discounts } = table;
  const last = offsets.length - 1;
  const bad: Record<string, TensorSource> = {
    "offsets that end behind the buckets": others("offsets", offsets.with(last, 2 ** 32 - 1)),
    "offsets out of order": others("offsets", offsets.with(3, offsets[last]!)),
    "offsets that do not begin at 0": others("offsets", offsets.with(0, 1)),
    "no hashed bucket": others("offsets", offsets.slice(0, vocabSize + 1)),
    "offsets of another type": others("offsets", offsets, "I32"),
    "unigrams of fewer ids": others("unigrams", unigrams.slice(1)),
    "discounts of fewer orders": others("discounts", discounts.slice(1), "F64"),
    "a discount that is no number": others("discounts", discounts.with(1, NaN), "F64"),
    "a discount above 1": others("discounts", discounts.with(0, 1.5), "F64"),
    "buckets of another size": {
      name: "memory_counts.buckets",
      dtype: "U8",
      shape: [1, 63],
      chunks: () => [new Uint8Array(63)],
    },
  };
  for (const [what, tensor] of Object.entries(bad))
    test(`${what} are refused`, async () => {
      const path = await withTensors(what, (all) =>
        all.map((one) => (one.name === tensor.name ? tensor : one)),
      );
      await assert.rejects(loadModel(path, { backend }), FormatError);
      // What is not read does not matter.
      await using model = await loadModel(path, { backend, memory: false });
      assert.ok(!model.hasMemory);
    });

  test("a tensor that is missing is named", async () => {
    for (const { name } of [...buckets, ...directory]) {
      const path = await withTensors(`without ${name}`, (all) =>
        all.filter((one) => one.name !== name),
      );
      await assert.rejects(loadModel(path, { backend }), new RegExp(`"${name}" is missing`));
    }
  });

  test("damaged buckets are refused when they are read, or chances still sum to one", async () => {
    const bytes = new Uint8Array(table.buckets.numRows * table.buckets.rowBytes);
    await table.buckets.read(
      Uint32Array.from({ length: table.buckets.numRows }, (_, i) => i),
      bytes,
    );
    let refused = 0;
    for (let at = 0; at < bytes.length; at += 97) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0xa5;
      const path = await withTensors("damaged", (all) =>
        all.map((one) =>
          one.name === buckets[0]!.name ? { ...one, chunks: () => [damaged] } : one,
        ),
      );
      await using model = await loadModel(path, { backend });
      try {
        const said = await logitsOf(model);
        const sum = said.slice(-vocabSize).reduce((all, logit) => all + Math.exp(logit), 0);
        assert.ok(Math.abs(sum - 1) < 1e-4, `${sum}`);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        refused++;
      }
    }
    assert.ok(refused > 0);
  });

  test("another model's buckets elsewhere are refused", async () => {
    const [path, tables] = [join(root, "own"), join(root, "others")];
    await saveModel(path, saved);
    await mkdir(tables);
    const identity = await countsIdentity(
      { ...table, unigrams: table.unigrams.with(0, 99) },
      saved.config.numLayers,
    );
    await writeElsewhere({ address: tables }, { ...identity, model: path, source: table.buckets });
    await assert.rejects(loadModel(path, { backend, table: { address: tables } }));
    assert.equal(rowFormat(identity.format, identity.headDim).rowBytes, table.buckets.rowBytes);
  });
});

test("a run that was stopped goes on as if it had not been, and its checkpoint opens as a model", async () => {
  const data = join(root, "text.txt");
  const shakespeare = new URL("../../assets/tinyshakespeare.txt", import.meta.url);
  await writeFile(data, (await readFile(shakespeare, "utf8")).slice(0, 12_000));
  const preset = {
    ...miniPreset,
    counted: { order: 3, folds: 3, maxBytes: 20_000 },
    training: { ...miniPreset.training, steps: 6 },
  };
  const engine = ortBackend({ threads: 1 });
  const train = (out: string, options: object = {}) =>
    trainModel({ data: [data], preset, out, backend: engine, checkpointEvery: 2, ...options });
  const [whole, stopped] = [join(root, "whole"), join(root, "stopped")];
  await train(whole);
  const stop = new AbortController();
  await assert.rejects(
    train(stopped, {
      signal: stop.signal,
      onEvent: ({ type, step }: { type: string; step?: number }) => {
        if (type === "checkpoint" && step === 2) stop.abort();
      },
    }),
  );
  const [name] = await readdir(join(stopped, "checkpoints"));
  const unfinished = await loadModel(join(stopped, "checkpoints", name!), { backend });
  assert.ok(unfinished.counts!.numBytes <= 20_000);
  await unfinished.close();
  const others = { ...preset, counted: { ...preset.counted, folds: 4 } };
  await assert.rejects(train(stopped, { resume: true, preset: others }), InvalidConfigError);
  await train(stopped, { resume: true });
  for (const file of await readdir(whole))
    if (file.endsWith(".safetensors"))
      assert.deepEqual(
        await readFile(join(stopped, file)),
        await readFile(join(whole, file)),
        file,
      );
});
