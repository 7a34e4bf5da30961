/** Models with packed weights: the same numbers as unpacked, alone, in batches and when they are scored. */
import assert from "node:assert/strict";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { packableConfig, packedModel, randomModel } from "../../test/models/random-model.ts";
import { InvalidConfigError } from "../errors.ts";
import { dequantizeMatrix, paramLayout, paramViews } from "../model/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { referenceBackend } from "../tensor/index.ts";
import { flatArrays, Trainer } from "../training/index.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { compareModels } from "./divergence.ts";
import { argmax, Decoder, type LanguageModel, Scorer, type TokenStream } from "./index.ts";

const text = [0, 7, 3, 3, 38, 12, 7, 3, 21, 5, 5, 5, 9, 30, 2, 17, 7, 3];

/** The packed model with its weights as the numbers that they stand for. */
function unpacked(model: LanguageModel): LanguageModel {
  const numbers = [...model.quantized!].map(([name, m]) => [name, dequantizeMatrix(m)] as const);
  return {
    ...model,
    params: { ...model.params, ...Object.fromEntries(numbers) },
    quantized: undefined,
  };
}

for (const bits of [4, 8] as const)
  for (const tieEmbeddings of [true, false])
    test(`${bits} bits compute what the numbers they stand for do (head ${tieEmbeddings ? "tied" : "of its own"})`, async () => {
      const config = { ...packableConfig, tieEmbeddings };
      const model = packedModel(await randomModel(referenceBackend(), config), bits);
      assert.equal(model.quantized!.size, (tieEmbeddings ? 1 : 2) + 2 * 7 + 1);
      const one = new Decoder(model).createSession();
      const other = new Decoder(unpacked(model)).createSession();
      for (const part of [text.slice(0, 7), text.slice(7, 8), text.slice(8)])
        toBeClose((await one.append(part)).logits, (await other.append(part)).logits, {
          rtol: 1e-6,
          atol: 1e-6,
        });
    });

// Activations rounded to 8 bits: about a hundredth of the largest, summed over layers.
const eightBits = { rtol: 0.02, atol: 0.15 };

for (const bits of [4, 8] as const)
  test(`ONNX Runtime's ${bits}-bit logits are the reference's, as near as 8-bit activations get`, async () => {
    const reference = packedModel(await randomModel(referenceBackend(), packableConfig), bits);
    const fast = packedModel(await randomModel(ortBackend({ threads: 2 }), packableConfig), bits);
    const expected = (await new Decoder(reference).createSession().append(text, { logits: "all" }))
      .logits;
    const actual = (await new Decoder(fast).createSession().append(text, { logits: "all" })).logits;
    toBeClose(actual, expected, eightBits);
  });

for (const bits of [4, 8] as const)
  test(`a batch of unlike lengths gives what each gives alone (${bits} bits)`, async () => {
    const model = packedModel(await randomModel(ortBackend({ threads: 2 }), packableConfig), bits);
    const decoder = new Decoder(model, { capacity: 24 });
    const batch = new BatchDecoder(decoder, { slots: 4 });
    const prompts = [text.slice(0, 7), text.slice(3, 4), text.slice(5, 17)];
    const alone = prompts.map(() => decoder.createSession());
    const next: number[] = [];
    for (const [i, prompt] of prompts.entries()) {
      await batch.sessions[i]!.append(prompt);
      next.push(argmax((await alone[i]!.append(prompt)).logits));
    }
    for (let t = 0; t < 4; t++) {
      const results = await batch.step(next.map((id, slot) => ({ slot, id })));
      for (const [i, session] of alone.entries()) {
        const expected = (await session.append([next[i]!])).logits;
        toBeClose(results[i]!.logits, expected, { rtol: 1e-3, atol: 1e-3 });
        next[i] = argmax(expected);
      }
    }
  });

/** Documents that fit into half a window, so that every token is scored with all of its document. */
function streamOf(documents: readonly (readonly number[])[]): TokenStream {
  const starts: number[] = [];
  let at = 0;
  for (const document of documents) {
    starts.push(at);
    at += document.length;
  }
  return {
    tokens: Uint16Array.from(documents.flat()),
    starts: Uint32Array.from(starts),
    numBytes: 1,
  };
}

function logChances(logits: Float32Array): number[] {
  const top = Math.max(...logits);
  const total = logits.reduce((sum, x) => sum + Math.exp(x - top), 0);
  return Array.from(logits, (x) => x - top - Math.log(total));
}

/** Log chances after each token of each document, one token at a time: other code than the scorer's. */
async function chancesBySession(model: LanguageModel, documents: readonly (readonly number[])[]) {
  const all: number[][] = [];
  for (const document of documents) {
    const session = new Decoder(model).createSession();
    for (const id of document.slice(0, -1))
      all.push(logChances((await session.append([id])).logits));
  }
  return all;
}

test("divergence and nats are those of the chances, computed one token at a time", async () => {
  const original = await randomModel(referenceBackend(), packableConfig);
  const documents = [text.slice(0, 12), text.slice(4, 18), text.slice(9), text.slice(2, 8)];
  const labels = documents.flatMap((document) => document.slice(1));
  const candidates = [packedModel(original, 8), packedModel(original, 4), original];
  const found = await compareModels(original, streamOf(documents), { candidates });
  assert.equal(found.numTokens, labels.length);
  const p = await chancesBySession(original, documents);
  const nats = (chances: number[][]): number =>
    labels.reduce((sum, label, i) => sum - chances[i]![label]!, 0);
  toBeClose([found.nats], [nats(p)], { rtol: 1e-5, atol: 0 });
  for (const [i, candidate] of candidates.entries()) {
    const q = await chancesBySession(candidate, documents);
    const kl = p.map((row, t) =>
      row.reduce((sum, log, id) => sum + Math.exp(log) * (log - q[t]![id]!), 0),
    );
    const mean = kl.reduce((a, b) => a + b) / kl.length;
    toBeClose([found.candidates[i]!.meanKl], [mean], { rtol: 1e-4, atol: 1e-6 });
    toBeClose([found.candidates[i]!.nats], [nats(q)], { rtol: 1e-5, atol: 0 });
  }
  assert.ok(found.candidates[1]!.meanKl > 10 * found.candidates[0]!.meanKl);
  assert.equal(found.candidates[2]!.meanKl, 0);
});

test("a scorer needs for packed weights what it needs for the numbers they stand for", async () => {
  const model = packedModel(await randomModel(referenceBackend(), packableConfig), 4);
  const stream = streamOf([text, text.slice(3)]);
  const [packed, plain] = await Promise.all(
    [model, unpacked(model)].map(async (m) => (await Scorer.create(m)).score(stream)),
  );
  toBeClose([packed!.nats], [plain!.nats], { rtol: 1e-6, atol: 0 });
  toBeClose([...packed!.gates.values()], [...plain!.gates.values()], { rtol: 1e-6, atol: 0 });
});

test("packed weights are not trained", async () => {
  const model = packedModel(await randomModel(referenceBackend(), packableConfig), 4);
  const layout = paramLayout(model.config);
  const arrays = flatArrays(layout, new Float32Array(layout.length));
  assert.ok(paramViews(layout, arrays.params));
  const recipe = { batch: 1, length: 8, accumulate: 1, steps: 1 } as never;
  await assert.rejects(
    Trainer.create(
      { ...model, memory: undefined },
      { layout, arrays, step: 0 },
      {
        recipe,
        stream: streamOf([text]),
        seed: 0,
      },
    ),
    (error) => error instanceof InvalidConfigError && /cannot be trained/.test(error.message),
  );
});
