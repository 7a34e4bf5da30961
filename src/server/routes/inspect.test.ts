import assert from "node:assert/strict";
import test, { after } from "node:test";
import { fileURLToPath } from "node:url";
import { servedModel } from "../../../test/models/served-model.ts";
import { loadModel } from "../../load-model.ts";
import { addressBatch } from "../../memory/index.ts";
import { packDocuments } from "../../training/index.ts";
import { readPart } from "../../training/node/index.ts";
import { createServer } from "../index.ts";

const model = await servedModel();
const server = createServer(model);
await server.ready;
after(async () => {
  await server.close();
  await model.close();
});

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
async function ask(path: string, body?: object, of = server): Promise<any> {
  const response = await of.fetch(
    new Request(`http://engram${path}`, {
      ...(body !== undefined && { method: "POST", body: JSON.stringify(body) }),
    }),
  );
  return { status: response.status, ...((await response.json()) as object) };
}

const give = (name: string, text: string) => ask("/engram/corpus", { name, text });
const rows = [...Array(60).keys()];
const tenants = async (corpus: string): Promise<string> =>
  JSON.stringify((await ask("/engram/rows", { corpus, layer: 1, rows })).rows);

test("each visitor has their own corpus, whatever others give", async () => {
  const { corpus: cats } = await give("cats", "the cat sat on the mat ".repeat(3));
  const before = await tenants(cats.id);
  const { corpus: mats } = await give("mats", "mat mat and again on THE mat");
  assert.notEqual(cats.id, mats.id);
  assert.equal(await tenants(cats.id), before);
  assert.notEqual(await tenants(mats.id), before);
  const again = await ask(`/engram/corpus?id=${cats.id}`);
  assert.deepEqual(again.corpus, cats);
  const told = await ask("/engram/rows", { corpus: mats.id, layer: 1, rows });
  assert.equal(told.corpus.name, "mats");
});

test("nobody is told of a corpus without its id", async () => {
  await give("secret", "the cat");
  for (const { status, error } of [
    await ask("/engram/corpus?id="),
    await ask("/engram/corpus?id=secret"),
    await ask("/engram/rows", { corpus: "secret", layer: 1, rows }),
  ])
    assert.deepEqual([status, error.code], [404, "unknown_corpus"]);
  // This model says nothing of its own text.
  assert.deepEqual(await ask("/engram/corpus"), { status: 200, corpus: null });
  assert.deepEqual(await ask("/engram/corpus/collisions"), { status: 200, collisions: null });
  const { status, error } = await ask("/engram/rows", { layer: 1, rows });
  assert.deepEqual([status, error.code], [404, "no_corpus"]);
});

test("a model that comes with the n-grams of its text is asked for them without an id", async () => {
  const path = (name: string): string =>
    fileURLToPath(new URL(`../../../assets/${name}`, import.meta.url));
  await using shakespeare = await loadModel(path("shakespeare"));
  const own = createServer(shakespeare);
  await own.ready;
  const askOwn = (address: string, body?: object) => ask(address, body, own);
  const { tokenMap, addressing } = shakespeare.rows!;
  // Counted anew: pairs of compressed ids in the part of the text that was trained on.
  const { tokens } = await packDocuments(
    readPart([path("tinyshakespeare.txt")], "train"),
    shakespeare.tokenizer,
  );
  const counts = new Map<string, number>();
  for (let t = 1; t < tokens.length; t++) {
    const pair = `${tokenMap.map[tokens[t - 1]!]},${tokenMap.map[tokens[t]!]}`;
    counts.set(pair, (counts.get(pair) ?? 0) + 1);
  }
  const { corpus } = await askOwn("/engram/corpus");
  assert.equal(corpus.name, "tinyshakespeare.txt");
  assert.deepEqual([corpus.tokens, corpus.ngrams["2"]], [tokens.length, counts.size]);
  const { rows: found } = await askOwn("/engram/rows", { layer: 1, rows: [132, 133] });
  const { area } = await askOwn("/engram/rows", { layer: 1, area: { from: 132, to: 134 } });
  const [here, there] = found;
  assert.equal(area.distinct, here.corpus.distinct + there.corpus.distinct);
  const rowOf = (pair: string): number =>
    addressBatch(addressing, Int32Array.from(pair.split(",").map(Number)), {
      sequenceLength: 2,
    })[0]![addressing.numColumns]!;
  const expected = [...counts].filter(([pair]) => rowOf(pair) === 132);
  assert.equal(here.corpus.distinct, expected.length);
  for (const { compressed, count } of here.corpus.ngrams)
    assert.equal(count, counts.get(compressed.join()));
  const used = new Map<number, number>();
  for (const pair of counts.keys()) used.set(rowOf(pair), (used.get(rowOf(pair)) ?? 0) + 1);
  const { collisions } = await askOwn("/engram/corpus/collisions");
  const [first] = collisions.buckets;
  assert.deepEqual([first.order, first.head, first.ngrams], [2, 0, counts.size]);
  assert.equal(first.distinct_rows, used.size);
  assert.equal(
    first.shared_ngrams,
    [...used.values()].reduce((sum, n) => sum + (n > 1 ? n : 0), 0),
  );
  for (const wrong of [
    { from: 0, to: 48_100 },
    { from: 5, to: 5 },
    { from: 1e6, to: 1e6 + 1 },
  ])
    assert.equal((await askOwn("/engram/rows", { layer: 1, area: wrong })).status, 400);
  await own.close();
});

test("corpora that were not used for long make room, those in use stay", async () => {
  const { corpus: used } = await give("used", "the cat sat");
  const { corpus: idle } = await give("idle", "on the mat");
  for (let i = 0; i < 64; i++) {
    await give(String(i), `cat ${i}`);
    assert.equal((await ask(`/engram/corpus?id=${used.id}`)).status, 200);
  }
  assert.equal((await ask(`/engram/corpus?id=${idle.id}`)).error.code, "unknown_corpus");
});

test("a completion reads the memory without the parts that an inspection takes away", async () => {
  const ids = [1, 2, 3, 4];
  const whole = await ask("/engram/inspect", { ids });
  const oneRow = [{ layer: 1, row: whole.layers[0].after.rows[3][0] as number }];
  const found = new Set<number>();
  for (const ablate of [{}, { layers: [1] }, { orders: [2] }, { heads: [0] }, { rows: oneRow }]) {
    const { next } = await ask("/engram/inspect", { ids, top: 1, ablate });
    const likeliest = Math.max(...next[3].map(({ on }: { on: number }) => on));
    const { choices } = await ask("/v1/completions", {
      prompt: ids,
      max_tokens: 1,
      temperature: 0,
      logprobs: 0,
      engram: { ablate },
    });
    const [said] = choices[0].logprobs.token_logprobs;
    assert.ok(
      Math.abs(said - likeliest) < 1e-5,
      `${JSON.stringify(ablate)}: ${said}, ${likeliest}`,
    );
    found.add(Math.round(said * 1e6));
  }
  assert.equal(found.size, 5, "each part matters");
  const { status, error } = await ask("/v1/completions", {
    prompt: ids,
    engram: { ablate: { heads: [99] } },
  });
  assert.equal(status, 400);
  assert.match(error.message, /there is no head 99 to take away/);
});
