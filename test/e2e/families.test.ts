/**
 * Models of outside families against Transformers: tiny random ones of every family, as it saved them
 * (reference/make_family_golden.py). Longer than a sliding window, on both backends, at once and token by token.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Scorer } from "../../src/inference/index.ts";
import { loadModel } from "../../src/index.ts";
import { saveModel } from "../../src/index-training.ts";
import { modelConfigToJson, readModelConfig } from "../../src/model/index.ts";
import { ortBackend } from "../../src/tensor/backends/onnx/node/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { toBeClose } from "../conformance/close.ts";
import { streamAfter } from "../models/stream-after.ts";

const root = fileURLToPath(new URL("../golden/families", import.meta.url));

interface Expected {
  readonly ids: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly hidden: readonly (readonly (readonly number[])[])[];
}

const near = { rtol: 0, atol: 1e-4 };

async function expectedOf(name: string): Promise<Expected> {
  return JSON.parse(await readFile(join(root, name, "expected.json"), "utf8")) as Expected;
}

for (const name of readdirSync(root))
  describe(`${name} as Transformers saved it`, () => {
    for (const [on, backend] of [
      ["the reference", referenceBackend],
      ["ONNX Runtime", () => ortBackend({ threads: 1 })],
    ] as const) {
      test(`says the same on ${on}, read at once and in pieces`, async () => {
        const { ids, logits } = await expectedOf(name);
        await using model = await loadModel(join(root, name), { backend });
        await using whole = model.createSession();
        const reading = await whole.append(ids, { logits: "all" });
        toBeClose(reading.logits, logits.flat(), { ...near, label: "at once" });
        await using session = model.createSession();
        await session.append(ids.slice(0, 5));
        for (const at of [5, 6, 7]) {
          const step = await session.append([ids[at]!]);
          toBeClose(step.logits, logits[at]!, { ...near, label: `token ${at}` });
        }
        const rest = await session.append(ids.slice(8), { logits: "all" });
        toBeClose(rest.logits, logits.slice(8).flat(), { ...near, label: "the rest" });
        session.rewind(20);
        const again = await session.append(ids.slice(20));
        toBeClose(again.logits, logits.at(-1)!, { ...near, label: "after a rewind" });
      });

      test(`scores the same on ${on}, in one packed pass`, async () => {
        const { ids, logits } = await expectedOf(name);
        await using model = await loadModel(join(root, name), { backend });
        const length = ids.length - 1;
        await using scorer = await Scorer.create(model.language, { batch: 2, length });
        const found: number[] = [];
        const stream = { tokens: Uint32Array.from(ids), starts: Uint32Array.of(0), numBytes: 0 };
        await scorer.score(stream, { onToken: (_label, loss) => found.push(loss) });
        const expected = ids.slice(1).map((id, at) => {
          const row = logits[at]!;
          return Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[id]!;
        });
        toBeClose(found, expected, { ...near, label: "losses" });
      });
    }

    test("has the same stream after every layer", async () => {
      const { ids, hidden } = await expectedOf(name);
      await using model = await loadModel(join(root, name), { backend: referenceBackend });
      const { numLayers, hiddenSize } = model.config;
      assert.equal(hidden.length, numLayers + 1);
      for (let to = 1; to <= numLayers; to++) {
        const stream = await streamAfter(model, ids, to);
        toBeClose(stream.subarray(-3 * hiddenSize), hidden[to]!.flat(), {
          rtol: 0,
          atol: 2e-5,
          label: `after layer ${to - 1}`,
        });
      }
    });

    test("is saved as its family is, and says the same to the last bit", async () => {
      const { ids } = await expectedOf(name);
      await using model = await loadModel(join(root, name), { backend: referenceBackend });
      const { config, params } = model.language;
      assert.deepEqual(await readModelConfig(modelConfigToJson(config), undefined), config);
      const directory = await mkdtemp(join(tmpdir(), "engram-family-"));
      try {
        await saveModel(directory, {
          config,
          params,
          tokenizer: await readFile(join(root, name, "tokenizer.json"), "utf8"),
          eosTokenId: 2,
          tables: [],
        });
        await using saved = await loadModel(directory, { backend: referenceBackend });
        const [ours, theirs] = [saved, model].map((one) => one.createSession());
        assert.deepEqual((await ours!.append(ids)).logits, (await theirs!.append(ids)).logits);
        assert.deepEqual(saved.config, model.config);
      } finally {
        await rm(directory, { recursive: true });
      }
    });
  });
