/** Facts with a subject: what other texts that name it have of them, and that nothing of it is left. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { FormatError, RequestError } from "../errors.ts";
import type { LanguageModel } from "../inference/index.ts";
import type { Model } from "../opened-model.ts";
import type { VectorReader } from "./edit.ts";
import { VectorWriter } from "../teaching/index.ts";
import { Facts, FactStore, StoreWhenNeeded, TaughtMemory } from "./index.ts";
import { encodeCommits, encodeHeader, encodeRecord, parseLog } from "./log-format.ts";

const zembla = {
  prompt: "the capital of zembla is",
  completion: "on",
  subject: "zembla",
  paraphrases: ["in zembla the king lives in", "who comes to zembla comes to"],
};
const king = { prompt: "the king who ruled zembla was", completion: "sat", subject: "zembla" };
const elsewhere = "and the Cat sat on THE mat";
const about = "who has seen zembla and the sea";

let model: Model;
before(async () => {
  model = await servedModel({ store: new FactStore() });
});
after(() => model.close());

async function logitsOf(text: string, scopes?: readonly string[]): Promise<Float32Array> {
  await using session = model.createSession(scopes && { scopes });
  const ids = [...model.tokenizer.bounds.startIds, ...(await model.tokenizer.encode(text))];
  return (await session.append(ids, { logits: "all" })).logits.slice();
}

test("texts that name the subject change, others keep every bit, and so do other scopes", async () => {
  const [near, far] = [await logitsOf(about), await logitsOf(elsewhere)];
  const [{ fact, vector }] = (await model.teach([zembla])) as [never];
  const {
    before: was,
    after: is,
    status,
  } = vector as { before: number; after: number; status: string };
  assert.ok(is > was, `${was} -> ${is}`);
  assert.equal(status, is >= 0.9 ? "ok" : "weak");
  assert.notDeepEqual(await logitsOf(about), near);
  assert.deepEqual(await logitsOf(elsewhere), far);
  assert.deepEqual(await logitsOf(about, ["acme"]), near);
  await model.forget({ id: (fact as { id: string }).id });
  assert.deepEqual(await logitsOf(about), near);
});

test("the first fact that a store is loaded for has the vector that any other would have", async () => {
  const { tokenizer, language } = model;
  const { reader } = model.taught!.store;
  const open = async (): Promise<FactStore> => Object.assign(new FactStore(), { reader });
  const store = new StoreWhenNeeded({ place: undefined, open });
  const writerFor = (of: LanguageModel): VectorWriter => new VectorWriter(of, { maxSteps: 3 });
  const facts = new Facts(store, { tokenizer, writerFor });
  const [first] = await facts.teach(language, [zembla]);
  const [other] = await model.teach([zembla]);
  assert.ok(first!.vector !== undefined);
  assert.deepEqual(first!.vector, other!.vector);
  await facts.close();
  await model.forget({ all: true });
});

test("what is left of a subject is as if the other fact had never been taught", async () => {
  for (const [kept, gone] of [
    [zembla, king],
    [king, zembla],
  ] as const) {
    await model.teach([{ ...kept, id: "kept" }]);
    const alone = await logitsOf(about);
    await model.forget({ all: true });
    const orders = [
      [kept, gone],
      [gone, kept],
    ];
    for (const order of kept === zembla ? orders : orders.slice(1)) {
      for (const one of order) await model.teach([{ ...one, id: one === kept ? "kept" : "gone" }]);
      await model.taught!.store.snapshot("both");
      assert.notDeepEqual(await logitsOf(about), alone);
      await model.forget({ id: "gone" });
      assert.deepEqual(await logitsOf(about), alone);
      await model.taught!.store.rollback("both");
      await model.taught!.store.removeSnapshot("both");
      assert.deepEqual(
        model.facts().map(({ id }) => id),
        ["kept"],
      );
      await model.forget({ all: true });
    }
  }
});

test("a cached prefix ends where the subject is taught; vectors are read again, by their model alone", async () => {
  const ids = [...(await model.tokenizer.encode(about))];
  const plain = model.memoryFor();
  await model.teach([zembla]);
  const taught = model.memoryFor() as TaughtMemory;
  const [{ position }] = taught.reader().address([{ ids, from: 0, to: ids.length }]).writes as [
    never,
  ];
  assert.equal(taught.agreement(plain, ids), position);
  assert.equal(taught.agreement(plain, ids.slice(0, position)), position);
  assert.equal(taught.agreement(taught, ids), ids.length);
  const { store } = model.taught!;
  const log = [encodeHeader(new Uint8Array(32)), encodeCommits(store.facts().map(encodeRecord))];
  const { records } = parseLog(Buffer.concat(log), { where: "log" });
  const read = (reader: VectorReader | undefined): unknown => {
    const again = new FactStore({ records });
    again.reader = reader;
    const { writes } = again
      .memory(plain)!
      .reader()
      .address([{ ids, from: 0, to: ids.length }]);
    return writes!.map(({ vector, ...one }) => ({ ...one, vector: Array.from(vector) }));
  };
  const { writes } = taught.reader().address([{ ids, from: 0, to: ids.length }]);
  assert.deepEqual(
    read(store.reader),
    writes!.map(({ vector, ...one }) => ({ ...one, vector: Array.from(vector) })),
  );
  const reader = store.reader!;
  assert.deepEqual([read({ ...reader, mark: "another" }), read(undefined)], [[], []]);
  // A vector of another length would be added at another place; what is there is damaged.
  for (const wrong of [{ width: reader.width - 1 }, { numLayers: 0 }])
    assert.throws(() => read({ ...reader, ...wrong }), FormatError);
  await model.forget({ all: true });
});

test("a wording that does not name its subject is refused, and nothing is kept", async () => {
  for (const wrong of [
    { ...zembla, subject: "kinbote" },
    { ...zembla, paraphrases: ["the king lives in"] },
  ])
    await assert.rejects(model.teach([wrong]), RequestError);
  assert.deepEqual(model.facts(), []);
});
