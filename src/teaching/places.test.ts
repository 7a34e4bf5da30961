/** Steps that compute only the places that are asked about, against steps over the whole window. */
import assert from "node:assert/strict";
import test from "node:test";
import { toBeClose } from "../../test/conformance/close.ts";
import { randomModel, smallConfig } from "../../test/models/random-model.ts";
import { ExecutableCache } from "../inference/index.ts";
import { blockOf, type ModelConfig, pastGraph, vectorGraph } from "../model/index.ts";
import { referenceBackend } from "../tensor/index.ts";
import { rowsOf } from "./edit.ts";
import { placesOf, type Which } from "./places.ts";
import { SearchRun } from "./search-run.ts";
import { searchTexts, startFrom } from "./search-texts.ts";

const { engram: _none, ...bare } = smallConfig;
const llama: ModelConfig = { ...bare, numLayers: 3, block: { ...blockOf(bare), slidingWindow: 5 } };
const subject = [7, 3];

test("without a vector, and where nothing stands between it and what is asked, both say the same", async () => {
  const model = await randomModel(referenceBackend(), llama);
  const { config, backend } = model;
  const pasts = new ExecutableCache(backend, (shape: Parameters<typeof pastGraph>[1]) =>
    pastGraph(config, shape),
  );
  const searches = new ExecutableCache(backend, (shape: Parameters<typeof vectorGraph>[1]) =>
    vectorGraph(config, shape),
  );
  const run = async (which: Which, prompts: readonly number[][], length: number) => {
    const statements = prompts.map((prompt) => ({ prompt, completion: [30, 2] }));
    const edit = { keys: [subject], statements, leashes: [[1, ...subject, 6, 5]] };
    const sought = [startFrom(new Float32Array(config.hiddenSize), rowsOf(edit))];
    const texts = await searchTexts(model, pasts, { layer: 1, sought });
    const search = await SearchRun.create(texts, { which, config, above: model.params, searches });
    try {
      await search.run([new Float32Array(config.hiddenSize)]);
      const vector = Float32Array.from(
        { length: config.hiddenSize },
        (_, i) => length * Math.sin(i),
      );
      const [{ statements: told }] = (await search.run([vector])) as [never];
      return told as { nats: number; gradient: Float32Array }[];
    } finally {
      search.dispose();
    }
  };
  const near = { rtol: 1e-4, atol: 1e-5 };
  const far = [
    [1, 4, ...subject, 12, 9, 8],
    [5, ...subject, 6, 1, ...subject, 9, 11],
  ];
  const [whole, asked] = [await run("window", far, 0), await run("asked", far, 0)];
  for (const [i, { nats }] of whole.entries()) toBeClose([asked[i]!.nats], [nats], near);
  const ends = [[1, 4, 9, ...subject], [...subject]];
  const [one, other] = [await run("window", ends, 3), await run("asked", ends, 3)];
  for (const [i, { nats, gradient }] of one.entries()) {
    toBeClose([other[i]!.nats], [nats], near);
    toBeClose([...other[i]!.gradient], [...gradient], near);
  }
  assert.notDeepEqual(one[0]!.nats, whole[0]!.nats);
});

test("only what is asked about is computed anew, and a row that has less sees nothing of the rest", () => {
  const rows = rowsOf({
    keys: [subject],
    statements: [
      { prompt: [1, ...subject, 4, 5, 6], completion: [8, 9] },
      { prompt: [1, ...subject], completion: [8] },
    ],
  });
  const shape = { past: 8, window: 8, starts: [6, 6] };
  const { count, inWindow, mask, bias, indexOf } = placesOf(llama, rows, shape, "asked");
  assert.equal(count, 3);
  assert.deepEqual([...inWindow], [0, 3, 4, 0, 0, 0]);
  assert.deepEqual([...mask], [1, 0, 0, 1, 0, 0]);
  assert.deepEqual([indexOf(0, 2), indexOf(0, 5), indexOf(0, 6), indexOf(1, 2)], [0, 1, 2, 3]);
  const seen = (place: number): number[] =>
    [...bias.subarray(place * 19, (place + 1) * 19).entries()].flatMap(([c, b]) =>
      b === 0 ? [c] : [],
    );
  // Columns 0..15 as they were, 16.. anew; five of them are seen.
  assert.deepEqual(seen(0), [6, 7, 16]);
  assert.deepEqual(seen(1), [7, 9, 10, 16, 17]);
  assert.deepEqual(seen(2), [9, 10, 16, 17, 18]);
  assert.deepEqual(seen(4), [17]);
});
