import assert from "node:assert/strict";
import test, { after } from "node:test";
import { servedModel } from "../../../test/models/served-model.ts";
import { createServer } from "../index.ts";

const model = await servedModel();
const server = createServer(model);
await server.ready;
after(async () => {
  await server.close();
  await model.close();
});

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into documents of many shapes
async function ask(path: string, body?: object): Promise<any> {
  const response = await server.fetch(
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
  for (const [{ status, error }, param] of [
    [await ask("/engram/corpus"), "id"],
    [await ask("/engram/rows", { layer: 1, rows }), "corpus"],
  ] as const)
    assert.deepEqual([status, error.param], [400, param]);
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
