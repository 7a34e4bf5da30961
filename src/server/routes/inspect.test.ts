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
