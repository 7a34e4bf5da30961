/** Models whose matrices lie in blocks of rows: the same numbers as by rows, wherever they are read. */
import assert from "node:assert/strict";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { packableConfig, randomModel } from "../../test/models/random-model.ts";
import { blockRows, numbersByRows, paramSpecs } from "../model/index.ts";
import { ortBackend } from "../tensor/backends/onnx/node/index.ts";
import { referenceBackend } from "../tensor/index.ts";
import { markOf } from "../teaching/index.ts";
import { Decoder, type LanguageModel, Scorer, type TokenStream } from "./index.ts";

const text = [0, 7, 3, 3, 38, 12, 7, 3, 21, 5, 5, 5, 9, 30, 2, 17, 7, 3];

/** The same model in blocks; its own weights stay as they are. */
function blocked(model: LanguageModel, rowBlock: number): LanguageModel {
  const copies = Object.entries(model.params).map(
    ([name, value]) => [name, { ...value, data: value.data.slice() }] as const,
  );
  const params = blockRows(model.config, Object.fromEntries(copies), rowBlock);
  return { ...model, params, rowBlock };
}

async function logitsOf(model: LanguageModel): Promise<Float32Array[]> {
  const session = new Decoder(model).createSession();
  const all: Float32Array[] = [];
  for (const part of [text.slice(0, 7), text.slice(7, 8), text.slice(8)])
    all.push((await session.append(part, { logits: "all" })).logits.slice());
  return all;
}

async function scoreOf(model: LanguageModel): Promise<number> {
  const stream: TokenStream = {
    tokens: Uint16Array.from(text),
    starts: Uint32Array.of(0),
    numBytes: text.length,
  };
  const scorer = await Scorer.create(model, { batch: 1 });
  const { nats } = await scorer.score(stream);
  await scorer.dispose();
  return nats;
}

for (const tieEmbeddings of [true, false]) {
  // 40 ids are no multiple of 16, so the embedding stays by rows there.
  for (const rowBlock of [8, 16])
    test(`blocks of ${rowBlock} change no bit of what a graph means (head ${tieEmbeddings ? "tied" : "of its own"})`, async () => {
      const model = await randomModel(referenceBackend(), { ...packableConfig, tieEmbeddings });
      const other = blocked(model, rowBlock);
      assert.deepEqual(await logitsOf(other), await logitsOf(model));
      assert.equal(await scoreOf(other), await scoreOf(model));
    });

  test(`ONNX Runtime's logits in blocks are those by rows, but for rounding (head ${tieEmbeddings ? "tied" : "of its own"})`, async () => {
    const backend = ortBackend({ threads: 2 });
    await backend.ready!();
    const model = await randomModel(backend, { ...packableConfig, tieEmbeddings });
    const other = blocked(model, (await backend.rowBlock?.()) ?? 8);
    const expected = await logitsOf(model);
    for (const [i, logits] of (await logitsOf(other)).entries())
      toBeClose(logits, expected[i]!, { rtol: 1e-4, atol: 1e-4 });
    toBeClose([await scoreOf(other)], [await scoreOf(model)], { rtol: 1e-5, atol: 0 });
  });
}

test("weights in blocks are written by rows, and are the same model to who marks it", async () => {
  const model = await randomModel(referenceBackend(), packableConfig);
  const other = blocked(model, 8);
  let numBlocked = 0;
  for (const spec of paramSpecs(model.config)) {
    const value = other.params[spec.name]!;
    numBlocked += Number(value.shape.length === 3);
    const numbers = numbersByRows(spec, value, other.rowBlock);
    assert.deepEqual(numbers, model.params[spec.name]!.data, spec.name);
  }
  assert.equal(numBlocked, 1 + 2 * 7 + 1);
  assert.equal(markOf(other), markOf(model));
});
