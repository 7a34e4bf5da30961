/**
 * NaN and infinity in weights, rows and results: whoever would have used them fails with `non_finite` and a name,
 * and whatever does not touch them goes on as if nothing had been.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, open, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after, before, describe } from "node:test";
import { bitsPerByte } from "../../src/eval/index.ts";
import { loadModel } from "../../src/index.ts";
import { createServer } from "../../src/index-server.ts";
import { saveModel, trainModel } from "../../src/index-training.ts";
import {
  BatchDecoder,
  createSampler,
  Decoder,
  type Generation,
  type LanguageModel,
  Scheduler,
  Scorer,
} from "../../src/inference/index.ts";
import { inspectIds } from "../../src/inspect/index.ts";
import type { Model } from "../../src/opened-model.ts";
import { openModelDirectory } from "../../src/checkpoint/node/index.ts";
import {
  checkRowValues,
  convertedRows,
  type HashedMemory,
  ROW_FORMAT_NAMES,
  Retrieval,
  rowFormat,
  RamStore,
  type RetrievalTable,
  type WritableRowStore,
} from "../../src/memory/index.ts";
import { layerName } from "../../src/model/index.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { type Backend, referenceBackend } from "../../src/tensor/index.ts";
import { servedModel } from "../models/served-model.ts";
import { miniPreset } from "../models/mini-preset.ts";
import { modelToSave } from "../models/model-to-save.ts";
import { randomModel } from "../models/random-model.ts";
import { removeSums } from "../models/remove-sums.ts";

const nonFinite = (pattern: RegExp) => (error: unknown) => {
  assert.equal((error as { code?: string }).code, "non_finite", String(error));
  assert.match((error as Error).message, pattern);
  return true;
};

type HashedModel = LanguageModel<HashedMemory>;

/** The first row of layer 1 that the last of `ids` addresses. */
function rowBehind({ memory }: LanguageModel, ids: readonly number[]): number {
  const span = { ids, from: ids.length - 1, to: ids.length };
  return memory!.reader().address([span]).rows.get(1)![0]!;
}

/** Puts one value into a row of the model's first table; returns what puts the row back. */
async function damage(
  { memory }: HashedModel,
  { row, value }: { row: number; value: number },
): Promise<() => Promise<void>> {
  const { store, format } = memory!.tables[0]!;
  const rows = Uint32Array.of(row);
  const saved = new Uint8Array(format.rowBytes);
  await store.read(rows, saved);
  const values = new Float32Array(format.headDim);
  format.decode(saved, values);
  values[3] = value;
  const bytes = new Uint8Array(format.rowBytes);
  format.encode(values, bytes);
  await (store as WritableRowStore).write(rows, bytes);
  return () => (store as WritableRowStore).write(rows, saved);
}

const good = [0, 7, 3, 3, 38];
const bad = [0, 21, 5, 33, 12];

for (const [name, backend] of Object.entries<Backend>({
  reference: referenceBackend(),
  "ONNX Runtime": ortBackend({ threads: 2 }),
}))
  describe(name, () => {
    // The reference computes in double precision, where nothing of this size overflows.
    const huge = name === "reference" ? NaN : 3e38;

    test("a row that is not finite fails the text that reads it, by its name; the session goes on", async () => {
      const model = await randomModel(backend);
      const decoder = new Decoder(model);
      const expected = await decoder.createSession().append(good);
      for (const value of [NaN, Infinity]) {
        const row = rowBehind(model, bad);
        const restore = await damage(model, { row, value });
        await using session = decoder.createSession();
        for (const read of [
          () => session.append(bad),
          () => session.append(bad, { logits: "all" }),
          () => session.append(bad, { logits: "none" }),
          () => session.append(bad, { logits: "all", sizes: true }),
        ])
          await assert.rejects(
            read(),
            nonFinite(
              new RegExp(`table of layer 1: row ${row} \\(f32\\) holds ${value} as value 3 of 8`),
            ),
          );
        assert.equal(session.length, 0);
        // Fewer tokens than the padded graph has: what the failure left in its inputs must not be computed with.
        assert.deepEqual(await session.append(good), expected);
        await restore();
      }
    });

    test("numbers that overflow on the way fail with the layer where they did, hidden states as logits", async () => {
      const model = await randomModel(backend);
      const expected = await new Decoder(model).createSession().append(good);
      const weight = model.params[layerName(0, "mlp.down_proj.weight")]!.data as Float32Array;
      const original = weight.slice();
      weight.fill(huge);
      const decoder = new Decoder(model);
      await using session = decoder.createSession();
      await assert.rejects(
        session.append(good),
        nonFinite(/layer 1 is the first whose keys or values/),
      );
      await assert.rejects(session.append(good, { logits: "none" }), nonFinite(/position 0/));
      const batch = new BatchDecoder(decoder, { slots: 2 });
      await assert.rejects(
        batch.step([
          { slot: 0, id: 5 },
          { slot: 1, id: 6 },
        ]),
        nonFinite(/layer 1 is the first/),
      );
      weight.set(original);
      assert.deepEqual(await session.append(good), expected, "caches must hold no leftovers");
      const [first] = await batch.step([
        { slot: 0, id: 5 },
        { slot: 1, id: 6 },
      ]);
      assert.ok(first!.logits.every(Number.isFinite));
      await batch.dispose();
    });

    test("an overflow in the last layer is told from one before it", async () => {
      const model = await randomModel(backend);
      (model.params[layerName(1, "mlp.down_proj.weight")]!.data as Float32Array).fill(huge);
      await assert.rejects(
        new Decoder(model).createSession().append(good),
        nonFinite(/keys and values of all layers are finite/),
      );
    });

    test("a scorer refuses losses that are none, and rows", async () => {
      const model = await randomModel(backend);
      const stream = {
        tokens: Uint16Array.from([...bad, ...good]),
        starts: Uint32Array.of(0),
        numBytes: 20,
      };
      const row = rowBehind(model, bad);
      const restore = await damage(model, { row, value: -Infinity });
      const scorer = await Scorer.create(model, { batch: 2, length: 8 });
      await assert.rejects(scorer.score(stream), nonFinite(new RegExp(`row ${row}`)));
      await restore();
      const { nats } = await scorer.score(stream);
      assert.ok(Number.isFinite(nats));
      await scorer.dispose();
      (model.params[layerName(0, "mlp.down_proj.weight")]!.data as Float32Array).fill(huge);
      const overflowing = await Scorer.create(model, { batch: 2, length: 8 });
      await assert.rejects(
        overflowing.score(stream),
        nonFinite(
          /loss of token \d+ is .* layer 1 is the first whose keys or values are not finite/,
        ),
      );
      await overflowing.dispose();
    });
  });

test("in a step of several, only the text that reads the bad row fails", async () => {
  const model = await randomModel(ortBackend({ threads: 2 }));
  const scheduler = new Scheduler(model, { parallel: 3 });
  const submit = (promptIds: number[], next?: number): Generation =>
    scheduler.submit({
      promptIds,
      maxTokens: 6,
      // Steers one text to the bad row while all of them generate.
      sampler: next === undefined ? createSampler({ temperature: 0 }) : () => next,
    });
  const idsOf = async (generation: Generation): Promise<number[]> => {
    const ids: number[] = [];
    for await (const step of generation) if (step.kind === "token") ids.push(step.id);
    return ids;
  };
  const expected = [await idsOf(submit(good)), await idsOf(submit([9, 30, 2]))];
  const start = bad.slice(0, -1);
  const row = rowBehind(model, bad);
  for (const ids of [good, [9, 30, 2]]) assert.notEqual(rowBehind(model, ids), row);
  await damage(model, { row, value: NaN });
  const [first, failed, second] = await Promise.allSettled([
    idsOf(submit(good)),
    idsOf(submit(start, bad.at(-1)!)),
    idsOf(submit([9, 30, 2])),
  ]);
  assert.deepEqual(first, { status: "fulfilled", value: expected[0] });
  assert.deepEqual(second, { status: "fulfilled", value: expected[1] });
  assert.equal(failed.status, "rejected");
  nonFinite(new RegExp(`row ${row}`))((failed as PromiseRejectedResult).reason);
  await scheduler.close();
});

for (const name of ROW_FORMAT_NAMES)
  test(`a row of NaN codes is refused where ${name} becomes numbers, and is not passed on`, async () => {
    const format = rowFormat(name, 40);
    const store = new RamStore({ numRows: 9, rowBytes: format.rowBytes });
    const values = new Float32Array(40).fill(0.5);
    values[33] = NaN;
    const bytes = new Uint8Array(format.rowBytes);
    format.encode(values, bytes);
    store.writeSync(Uint32Array.of(7), bytes);
    const table: RetrievalTable = { layerId: 4, store, format };
    const expected = nonFinite(
      new RegExp(`layer 4: row 7 \\(${name}\\) holds NaN as value 33 of 40`),
    );
    const retrieval = new Retrieval([table]);
    const [rows, memory_PE] = [Uint32Array.of(1, 7), new Float32Array(80).fill(2)];
    await assert.rejects(retrieval.retrieve(4, { rows, memory_PE }), expected);
    assert.ok(memory_PE.every((x) => x === 0));
    const [asked, into] = [new Map([[4, rows]]), new Map([[4, memory_PE]])];
    assert.throws(() => retrieval.lookUp(asked, { into, areDistinct: true }), expected);
    for (const target of [name, "f32", "int8"] as const)
      await assert.rejects(async () => {
        for await (const chunk of convertedRows(table, target)) assert.ok(chunk.length > 0);
      }, expected);
    checkRowValues(table, rows, new Float32Array(80));
  });

describe("a server", () => {
  let model: Model;
  let server: ReturnType<typeof createServer>;
  const failures: unknown[] = [];
  const sentence = "the cat sat on the mat";

  before(async () => {
    model = await servedModel({ withChat: true, contextSize: 64 });
    server = createServer(model, { onError: (error) => failures.push(error) });
    await server.ready;
  });
  after(async () => {
    await server.close();
    await model.close();
  });

  const post = (path: string, body: object): Promise<Response> =>
    Promise.resolve(
      server.fetch(
        new Request(`http://engram${path}`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      ),
    );

  const requests: Readonly<Record<string, object>> = {
    "/v1/completions": { prompt: sentence, max_tokens: 2, temperature: 0, logprobs: 3, echo: true },
    "/v1/chat/completions": {
      messages: [{ role: "user", content: sentence }],
      max_tokens: 2,
      logprobs: true,
    },
    "/v1/embeddings": { input: [sentence, "the mat"] },
    "/engram/inspect": { text: sentence },
  };

  test("answers 500 with the code, never 200 with null, and the next request as ever", async () => {
    const weight = model.language.params["model.norm.weight"]!.data as Float32Array;
    const original = weight[0]!;
    for (const [path, body] of Object.entries(requests)) {
      weight[0] = NaN;
      const response = await post(path, body);
      const text = await response.text();
      assert.equal(response.status, 500, `${path}: ${text}`);
      assert.equal(JSON.parse(text).error.code, "non_finite", path);
      weight[0] = original;
    }
    weight[0] = NaN;
    const streamed = await post("/v1/completions", {
      ...requests["/v1/completions"],
      echo: false,
      stream: true,
    });
    assert.match(await streamed.text(), /"code":"non_finite"/);
    weight[0] = original;
    const answer = await post("/v1/completions", requests["/v1/completions"]!);
    assert.equal(answer.status, 200);
    const { choices } = (await answer.json()) as {
      choices: { logprobs: { token_logprobs: (number | null)[] } }[];
    };
    // An echoed text's first token has no log-probability.
    assert.ok(choices[0]!.logprobs.token_logprobs.slice(1).every((p) => Number.isFinite(p)));
    for (const error of failures) nonFinite(/./)(error);
  });

  test("a bad row shows in the table's view, too", async () => {
    const restore = await damage(
      { ...model.language, memory: model.rows },
      { row: 11, value: NaN },
    );
    const response = await server.fetch(
      new Request("http://engram/engram/memory/rows?layer=1&from=0&to=40&bins=2"),
    );
    const text = await response.text();
    assert.equal(response.status, 500, text);
    assert.equal(JSON.parse(text).error.code, "non_finite");
    await restore();
  });

  test("an inspection of ids that read a bad row fails by its name", async () => {
    const ids = [...(await model.tokenizer.encode(sentence))];
    const row = rowBehind(model.language, ids);
    const restore = await damage({ ...model.language, memory: model.rows }, { row, value: NaN });
    await assert.rejects(inspectIds(model, ids), nonFinite(new RegExp(`row ${row}`)));
    await assert.rejects(
      bitsPerByte(model, [{ text: `${sentence} again` }]),
      nonFinite(new RegExp(`row \\d+`)),
    );
    await restore();
  });
});

test("training that diverges stops with the same code, and saves no model", async () => {
  const root = await mkdtemp(join(tmpdir(), "engram-diverges-"));
  try {
    const data = join(root, "text.txt");
    const out = join(root, "run");
    await writeFile(data, "the cat sat on the mat and the Cat sat on THE mat again\n".repeat(400));
    const preset = { ...miniPreset, training: { ...miniPreset.training, lr: 1e30 } };
    await assert.rejects(
      trainModel({ data: [data], out, preset, backend: ortBackend({ threads: 2 }) }),
      nonFinite(/loss|row|weights/),
    );
    assert.equal(existsSync(join(out, "model.safetensors")), false);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

describe("a model directory", () => {
  let root = "";
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "engram-non-finite-"));
  });
  after(() => rm(root, { recursive: true, force: true }));

  /** Writes the bytes of a number over one element of a tensor. */
  async function overwrite(
    directory: string,
    name: string,
    { at, bytes }: { at: number; bytes: Uint8Array },
  ) {
    await removeSums(directory);
    await using files = await openModelDirectory(directory);
    const { file, begin } = (await files.find(name))!;
    const handle = await open(join(directory, file), "r+");
    await handle.write(bytes, 0, bytes.length, begin + at * bytes.length);
    await handle.close();
  }

  const f32 = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer);
  /** The upper half of a float32. */
  const bf16 = (value: number): Uint8Array => f32(value).slice(2);

  for (const weightFormat of ["f32", "bf16"] as const)
    test(`with ${weightFormat} weights is refused by the name and place of the first that is not finite`, async () => {
      const directory = join(root, weightFormat);
      const model = await modelToSave();
      await saveModel(directory, { ...model, weightFormat });
      await (await loadModel(directory, { backend: referenceBackend() })).close();
      const encode = weightFormat === "f32" ? f32 : bf16;
      const up = "model.layers.1.mlp.up_proj.weight";
      const width = model.config.hiddenSize;
      await overwrite(directory, up, { at: 3 * width + 5, bytes: encode(-Infinity) });
      const refused = nonFinite(new RegExp(`"${up}" holds -Infinity at \\[3, 5\\] of`));
      await assert.rejects(loadModel(directory, { backend: referenceBackend() }), refused);
      // Also where it would be packed on the way.
      await assert.rejects(
        loadModel(directory, { backend: referenceBackend(), dtype: "q8" }),
        refused,
      );
      const gain = "model.norm.weight";
      await overwrite(directory, up, { at: 3 * width + 5, bytes: encode(0) });
      await overwrite(directory, gain, { at: 2, bytes: encode(NaN) });
      await assert.rejects(
        loadModel(directory, { backend: referenceBackend(), memory: false }),
        nonFinite(/"model\.norm\.weight" holds NaN at \[2\] of/),
      );
    });
});
