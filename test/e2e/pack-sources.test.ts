/** Which document an answer's n-grams are from: of packs, and of what scopes have learned. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildPack } from "../../src/build-pack.ts";
import { loadModel } from "../../src/index.ts";
import { saveModel } from "../../src/save-model.ts";
import { sourcesSaid } from "../../src/sources-said.ts";
import { referenceBackend } from "../../src/tensor/index.ts";
import { parseTokenizerJson } from "../../src/tokenizer/index.ts";
import { modelToSave } from "../models/model-to-save.ts";

const root = await mkdtemp(join(tmpdir(), "engram-pack-sources-"));
after(() => rm(root, { recursive: true, force: true }));
const at = (name: string): string => join(root, name);
const backend = referenceBackend();
const order = 4;

const counting = await modelToSave({ hasMemory: false, counted: { order } });
await saveModel(at("counting"), counting);
const tokenizer = await parseTokenizerJson(counting.tokenizer);
const build = (name: string, data: string) =>
  buildPack(at("counting"), { data: [at(data)], out: at(name), order, maxBytes: 0 });
await writeFile(at("dogs.txt"), "the dog sat on the log and the dog ran on and on ".repeat(4));
await build("dogs.pack", "dogs.txt");

test("an answer says which documents have it, of the packs and scopes that it read, and of those alone", async () => {
  const lines = [
    "a dog sat on a log",
    "the cat sat on the mat",
    "on and on the cat sat on the mat",
  ];
  const jsonl = (texts: readonly string[]): string =>
    texts.map((one) => JSON.stringify({ text: one })).join("\n");
  await writeFile(at("cats.jsonl"), jsonl(["the cat sat on the mat", "again the Cat on THE mat"]));
  await writeFile(at("more.jsonl"), jsonl(lines));
  await writeFile(at("bare.jsonl"), jsonl(["a", "b"]));
  const more = {
    data: ["cats.jsonl", "more.jsonl"].map(at),
    out: at("more.pack"),
    order,
    maxBytes: 0,
  };
  const { info } = await buildPack(at("counting"), more);
  assert.deepEqual(
    info.texts.map(({ name, documents }) => [name, documents]),
    [
      ["cats.jsonl", 2],
      ["more.jsonl", 3],
    ],
  );
  // What is stopped and goes on has the same list.
  await assert.rejects(
    buildPack(at("counting"), { ...more, out: at("late.pack"), signal: AbortSignal.timeout(0) }),
  );
  await buildPack(at("counting"), { ...more, out: at("late.pack") });
  assert.deepEqual(await readFile(at("late.pack")), await readFile(at("more.pack")));
  await build("bare.pack", "bare.jsonl");
  await using model = await loadModel(at("counting"), {
    backend,
    packs: [at("more.pack"), at("dogs.pack"), at("bare.pack")],
    memoryDir: at("said"),
  });
  const encode = async (words: string) => [
    tokenizer.eosTokenId!,
    ...(await tokenizer.encode(words)),
  ];
  const prompt = await encode("on the mat ");
  const said = async (
    words: string,
    reads?: { packs?: readonly string[]; scopes?: readonly string[] },
  ) =>
    sourcesSaid({
      ids: await encode(`on the mat ${words}`),
      from: prompt.length,
      memory: model.memoryFor(reads),
    });
  const [found, ...others] = await said("a dog sat on a log");
  assert.ok(found !== undefined && "pack" in found && found.tokens > 3 && found.only > 0);
  assert.deepEqual([found.pack, found.file, found.document], ["more", "more.jsonl", 1]);
  assert.ok(others.every(({ tokens }) => tokens < found.tokens));
  // In two documents: the first of them, and it is not the only one.
  const shared = await said("the cat sat on the mat", { packs: ["more"] });
  assert.ok("file" in shared[0]! && shared[0].file === "cats.jsonl" && shared[0].document === 1);
  assert.ok(shared[0].only < shared[0].tokens);
  assert.deepEqual(await said("a dog sat on a log", { packs: ["bare"] }), []);
  assert.deepEqual(await said("a dog sat on a log", { packs: [] }), []);
  // What a scope has learned, from which text, and no longer when it is forgotten.
  for (const words of ["nothing of it", "here the dog sat alone"])
    await model.learn({ ids: await encode(words), scope: "acme" });
  const [, { number }] = model.taught!.store.learned(["acme"])[0] as unknown as [
    unknown,
    { number: number },
  ];
  const before = model.memoryFor({ packs: [], scopes: ["acme"] });
  await model.learn({ ids: await encode("a dog sat down and out"), scope: "acme" });
  const learned = await said("here the dog sat alone", { packs: [], scopes: ["acme"] });
  assert.deepEqual(learned.map((one) => "scope" in one && [one.scope, one.document])[0], [
    "acme",
    number,
  ]);
  const later = { ids: await encode("on the mat a dog sat down and out"), from: prompt.length };
  assert.ok(!sourcesSaid({ ...later, memory: before }).some(({ document }) => document > number));
  assert.deepEqual(await said("here the dog sat alone", { packs: [] }), []);
  await model.forget({ scope: "acme", all: true });
  assert.deepEqual(await said("here the dog sat alone", { packs: [], scopes: ["acme"] }), []);
});
