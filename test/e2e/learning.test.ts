/** What a model learns from what it reads: scored first, then counted; in one scope, after a restart, and gone when erased. */
import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { MOST_LEARNED } from "../../src/facts/learned-texts.ts";
import { InvalidConfigError, loadModel, type Model } from "../../src/index.ts";
import { saveModel } from "../../src/save-model.ts";
import { parseApiKeys } from "../../src/server/api-keys-file.ts";
import { createServer } from "../../src/server/index.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { modelToSave } from "../models/model-to-save.ts";

const root = await mkdtemp(join(tmpdir(), "engram-learning-"));
after(() => rm(root, { recursive: true, force: true }));
const backend = referenceBackend();
await saveModel(
  join(root, "counting"),
  await modelToSave({ hasMemory: false, counted: { order: 4 } }),
);
await saveModel(join(root, "plain"), await modelToSave({ hasMemory: false }));
const open = (name = "counting"): Promise<Model> => loadModel(join(root, name), { backend });
const news = "the mat sat again on the Cat and the mat sat again";

async function idsOf({ tokenizer }: Model, text = news): Promise<number[]> {
  return [tokenizer.eosTokenId!, ...(await tokenizer.encode(text))];
}

async function logitsOf(model: Model, scopes?: readonly string[]): Promise<Float32Array> {
  await using session = model.createSession(scopes && { scopes });
  return (await session.append(await idsOf(model), { logits: "all" })).logits.slice();
}

async function lossOf(model: Model, scopes?: readonly string[]): Promise<number> {
  const [ids, logits] = [await idsOf(model), await logitsOf(model, scopes)];
  const width = logits.length / ids.length;
  let loss = 0;
  for (let at = 0; at + 1 < ids.length; at++) {
    const row = logits.subarray(at * width, (at + 1) * width);
    loss -= row[ids[at + 1]!]! - Math.log(row.reduce((sum, one) => sum + Math.exp(one), 0));
  }
  return loss / (ids.length - 1);
}

test("a text that was learned is expected in its scope alone, after a restart too, until it is erased", async () => {
  const log = join(root, "counting", "memory", "facts.log");
  let never: Float32Array;
  let learned: number;
  {
    await using model = await open();
    never = await logitsOf(model, ["acme"]);
    const before = await lossOf(model, ["acme"]);
    // A session that is open sees nothing of what comes later.
    await using early = model.createSession({ scopes: ["acme"] });
    await model.learn({ ids: await idsOf(model), scope: "acme" });
    assert.deepEqual((await early.append(await idsOf(model), { logits: "all" })).logits, never);
    learned = await lossOf(model, ["acme"]);
    assert.ok(learned < before - 0.2, `${learned}, before ${before}`);
    assert.deepEqual(await logitsOf(model), never);
    assert.deepEqual(await logitsOf(model, []), never);
    // What goes on from a text that was learned is learned from there on.
    const longer = [...(await idsOf(model)), ...(await idsOf(model, " on and on")).slice(1)];
    const held = (): number =>
      model
        .taught!.store.learned(["acme"])
        .flat()
        .reduce((sum, { ids }) => sum + ids.length, 0);
    const size = held();
    await model.learn({ ids: await idsOf(model), scope: "acme" });
    assert.equal(held(), size);
    await model.learn({ ids: longer, scope: "acme" });
    assert.equal(held(), longer.length + 3);
    await assert.rejects(model.learn({ ids: [1.5], scope: "acme" }), /token id 1\.5/);
    await assert.rejects(model.learn({ ids: [1], scope: "no name" }), /scope's name/);
  }
  await using model = await open();
  assert.ok(Math.abs((await lossOf(model, ["acme"])) - learned) < 0.2);
  const { store } = model.taught!;
  await store.snapshot("before");
  const [{ encoded }] = store.learned(["acme"])[0] as unknown as [{ encoded?: Uint8Array }];
  assert.equal(encoded, undefined);
  const trace = Buffer.from(
    (await idsOf(model))
      .slice(1, 9)
      .flatMap((id) => (id > 127 ? [(id & 127) | 128, id >> 7] : [id])),
  );
  assert.ok((await readFile(log)).includes(trace));
  await model.forget({ scope: "acme", all: true });
  assert.ok(!(await readFile(log)).includes(trace));
  assert.deepEqual(await logitsOf(model, ["acme"]), never);
  await store.rollback("before");
  assert.deepEqual([await logitsOf(model, ["acme"]), store.learned(["acme"])], [never, []]);
  assert.deepEqual((await readdir(join(root, "counting", "memory"))).toSorted(), [
    "facts.lock",
    "facts.log",
  ]);
});

test("a model that counts gives its hidden states, and is taught a prompt that is read in parts", async () => {
  await using model = await loadModel(join(root, "counting"), {
    backend,
    memoryDir: join(root, "taught"),
  });
  await using session = model.createSession();
  const { hidden } = await session.append(await idsOf(model), { logits: "none" });
  assert.equal(hidden.length, (await idsOf(model)).length * model.config.hiddenSize);
  const prompt = `${news} ${"on the log ".repeat(8)}sat`;
  const [taught] = await model.teach([{ prompt, completion: " on" }]);
  assert.ok(taught!.after > 0.9);
});

test("a scope keeps the last of what it reads, within its quota, and a model that weighs no counts learns nothing", async () => {
  await using model = await loadModel(join(root, "counting"), {
    backend,
    memoryDir: join(root, "full"),
  });
  const { store } = model.taught!;
  const piece = Uint32Array.from({ length: 2 ** 17 }, (_, i) => i % 250);
  for (let n = 0; n < 5; n++) await store.learn({ ids: piece, scope: "s" });
  const held = store.learned(["s"])[0]!;
  assert.equal(held.length, 3);
  assert.deepEqual(store.learnedSizes(), [{ scope: "s", texts: 3, tokens: 3 * piece.length }]);
  assert.ok(held.length * piece.length <= MOST_LEARNED);
  await assert.rejects(
    store.learn({ ids: [1], scope: "t" }, { maxBytes: 10 }),
    /may hold 10 bytes/,
  );
  await using plain = await open("plain");
  await assert.rejects(plain.learn({ ids: [1] }), InvalidConfigError);
});

test("a server learns what it answers where it is asked to, and may", async () => {
  await using model = await loadModel(join(root, "counting"), {
    backend,
    memoryDir: join(root, "served"),
  });
  const keys = [
    { name: "a", key: "key-of-tenant-a-01", scopes: { acme: "write" } },
    { name: "b", key: "key-of-tenant-b-01", scopes: { bolt: "write", acme: "read" } },
  ];
  const apiKeys = await parseApiKeys(JSON.stringify({ keys }), "keys.json");
  const server = createServer(model, { apiKeys, learn: "acme", parallel: 1 });
  await server.ready;
  const ask = async (key: string, engram?: object, more?: object) => {
    const body = {
      prompt: news,
      max_tokens: 0,
      echo: true,
      logprobs: 0,
      ...(engram && { engram }),
      ...more,
    };
    const headers = { authorization: `Bearer key-of-tenant-${key}-01` };
    const url = "http://engram/v1/completions";
    const response = await server.fetch(
      new Request(url, { method: "POST", headers, body: JSON.stringify(body) }),
    );
    // oxlint-disable-next-line typescript/no-explicit-any -- an answer's document
    return { status: response.status, body: (await response.json()) as any };
  };
  const loss = ({ body }: Awaited<ReturnType<typeof ask>>): number =>
    -body.choices[0].logprobs.token_logprobs.reduce(
      (sum: number, one: number | null) => sum + (one ?? 0),
      0,
    );
  const held = (): number => model.taught!.store.learned(["acme"]).flat().length;
  try {
    // Of b, who may not write there, and of whoever reads nothing, nothing is learned.
    const first = loss(await ask("b"));
    await ask("a", { scopes: [] });
    assert.equal(held(), 0);
    assert.equal((await ask("b", { learn: "acme" })).status, 403);
    assert.equal(loss(await ask("a")), first);
    assert.equal(held(), 1);
    const again = await ask("a");
    assert.ok(loss(again) < first - 1, `${loss(again)}, before ${first}`);
    assert.ok(loss(await ask("b", { scopes: ["acme"] })) < first - 1);
    assert.equal(loss(await ask("b")), first);
    // Counts change no hidden state: what was read stays read.
    const plain = { max_tokens: 1, echo: false, logprobs: null };
    const cached = ({ body }: Awaited<ReturnType<typeof ask>>): number =>
      body.usage.prompt_tokens_details.cached_tokens;
    await ask("a", {}, plain);
    await model.learn({ ids: await idsOf(model, "again the cat"), scope: "acme" });
    assert.ok(cached(await ask("a", {}, plain)) > 0);
    const erase = new Request("http://engram/engram/facts?scope=acme", {
      method: "DELETE",
      headers: { authorization: "Bearer key-of-tenant-a-01" },
    });
    assert.equal((await server.fetch(erase)).status, 200);
    assert.equal(held(), 0);
    assert.equal(cached(await ask("a", { scopes: [] }, plain)), 0);
    assert.equal(loss(await ask("a", { scopes: ["acme"], learn: "acme" })), first);
  } finally {
    await server.close();
  }
});
