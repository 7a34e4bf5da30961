import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { servedModel } from "../../test/models/served-model.ts";
import { generateText } from "../generate-text.ts";
import { BatchDecoder, Decoder, logProbsOf, Scorer, type Session } from "../inference/index.ts";
import { io } from "../model/index.ts";
import type { Model } from "../opened-model.ts";
import type { Backend, Values } from "../tensor/index.ts";
import { Facts, FactStore, TaughtMemory } from "./index.ts";

/** Of both kinds of memory, and of none. */
const kinds = { "a memory": { countedOrder: 3 }, "no memory": { hasMemory: false } };

let now = Date.parse("2026-11-28T12:00:00.000Z");

function teachable(options: object): Promise<Model> {
  return servedModel({ ...options, store: new FactStore({ now: () => now }) });
}

async function textOf(model: Model, prompt: string, maxTokens = 4): Promise<string> {
  let text = "";
  for await (const piece of generateText(model, prompt, { temperature: 0, maxTokens }))
    text += piece;
  return text;
}

/** Every logit of a text. */
async function logitsOf(
  model: Model,
  text: string,
  options: Parameters<Model["createSession"]>[0] = {},
): Promise<Float32Array> {
  await using session = model.createSession(options);
  const ids = [...model.tokenizer.bounds.startIds, ...(await model.tokenizer.encode(text))];
  return (await session.append(ids, { logits: "all" })).logits.slice();
}

const elsewhere = "and the Cat sat on THE mat, zembla, zembl is";
const sentence = "the capital of zembla is onhava again";

for (const [kind, options] of Object.entries(kinds)) {
  let model: Model;
  before(async () => {
    model = await teachable(options);
  });
  after(() => model.close());

  test(`a sentence is taught, said, and forgotten without a trace (${kind})`, async () => {
    const never = await logitsOf(model, sentence);
    const untouched = await logitsOf(model, elsewhere);
    const [taught] = await model.teach([{ prompt: sentence }]);
    const { prompt, completion } = taught!.fact;
    assert.equal(prompt + completion, sentence);
    assert.ok(taught!.before < 0.01 && taught!.after > 0.98, JSON.stringify(taught));
    // At the beginning of a text, and in one.
    for (const text of [prompt, `the mat\n${prompt}`, `sat: ${prompt}`]) {
      const said = await textOf(model, text, 40);
      assert.ok(said.startsWith(completion), `${text} -> ${said}`);
    }
    assert.deepEqual(await logitsOf(model, elsewhere), untouched);
    // Without the model's own memory it is known, too, and nothing else is there of it.
    const off = await logitsOf(model, elsewhere, { memory: false });
    await using bare = new Decoder(model.languageModel({ memory: false }));
    const ids = [...model.tokenizer.bounds.startIds, ...(await model.tokenizer.encode(elsewhere))];
    assert.deepEqual(off, (await bare.createSession().append(ids, { logits: "all" })).logits);
    assert.notDeepEqual(await logitsOf(model, sentence), never);
    assert.deepEqual(await logitsOf(model, sentence, { scopes: ["acme"] }), never);
    assert.deepEqual(await logitsOf(model, sentence, { scopes: [] }), never);
    assert.deepEqual(model.facts(), [taught!.fact]);
    const gone = await model.forget({ id: taught!.fact.id });
    assert.deepEqual(gone, { facts: [taught!.fact], learned: [] });
    assert.deepEqual([await logitsOf(model, sentence), model.facts()], [never, []]);
  });

  test(`sessions, batches, forks and scorers say the same chances of what was taught (${kind})`, async () => {
    const prompt = "the secret of the mat is";
    const [{ fact, after: chance }] = (await model.teach([{ prompt, completion: "red" }])) as [
      Awaited<ReturnType<Model["teach"]>>[0] & object,
    ];
    const { tokenizer, language } = model;
    const ids = [
      ...tokenizer.bounds.startIds,
      ...(await tokenizer.encode(prompt + fact.completion)),
    ];
    const from = tokenizer.bounds.startIds.length + (await tokenizer.encode(prompt)).length;
    const memory = model.taught!.memory(language.memory)!;
    await using decoder = new Decoder(language);
    const batch = new BatchDecoder(decoder, { slots: 2 });
    const [taught, plain] = batch.sessions as [Session, Session];
    taught.restart({ memory, scale: 1 });
    const apart: Float32Array[] = [];
    const whole = model.createSession({ scopes: [] });
    for (const [i, id] of ids.slice(0, -1).entries()) {
      // Side by side: the one sees the fact, the other does not.
      const readings =
        i === 0
          ? []
          : await batch.step([
              { slot: 0, id },
              { slot: 1, id },
            ]);
      if (i === 0) for (const one of [taught, plain]) await one.append([id]);
      const [seen, unseen] = readings.map(({ logits }) => logits.slice());
      if (i > 0) apart.push(seen!);
      if (i > 0 && i < from - 1) assert.deepEqual(seen, unseen);
      if (i >= from - 1) {
        const next = ids[i + 1]!;
        assert.ok(logProbsOf(seen!, { id: next, top: 1 }).top[0]!.id === next);
        assert.equal(seen!.filter((x, id_) => x !== unseen![id_]).length, 1);
      }
    }
    const product = apart
      .slice(from - 2)
      .reduce((sum, row, i) => sum + logProbsOf(row, { id: ids[from + i]!, top: 0 }).logProb, 0);
    assert.ok(Math.abs(Math.exp(product) - chance) < 1e-4);
    await using scorer = await Scorer.create(language, { batch: 1, view: { memory }, probs: true });
    let scored = 0;
    const stream = { tokens: Uint32Array.from(ids), starts: Uint32Array.of(0), numBytes: 1 };
    for await (const { tokens, losses } of scorer.batches(stream)) {
      for (const { at, label } of tokens) if (label >= from) scored -= losses[at]!;
      const { vocabSize } = language.config;
      const probs = scorer.probs!.data.subarray((from - 1) * vocabSize, from * vocabSize);
      assert.ok(Math.abs(Array.from(probs).reduce((a, b) => a + b, 0) - 1) < 1e-4);
      assert.ok(probs[ids[from]!]! > 0.998);
    }
    assert.ok(Math.abs(scored - product) < 1e-3);
    // What a session saw when it began, its forks see; what was taught later neither sees.
    await using session = model.createSession();
    await session.append(ids.slice(0, from));
    await model.forget({ all: true });
    await using fork = session.fork();
    const told = (await fork.append(ids.slice(from, from + 1))).logits;
    const untold = (await whole.append(ids.slice(0, from + 1))).logits;
    if (ids.length > from + 1) assert.notDeepEqual(told, untold);
    await whole.dispose();
    await batch.dispose();
  });
}

test("of scopes the last listed counts, but a longer key before that", async () => {
  await using model = await teachable({ hasMemory: false });
  const prompt = "the cat on the mat is";
  await model.teach([
    { prompt, completion: "red", scope: "a" },
    { prompt, completion: "black", scope: "b" },
    { prompt: `sat and ${prompt}`, completion: "sand", scope: "a" },
  ]);
  const said = async (scopes: readonly string[], text: string): Promise<string> => {
    let result = "";
    const of = { tokenizer: model.tokenizer, createSession: () => model.createSession({ scopes }) };
    for await (const piece of generateText(of, text, { temperature: 0, maxTokens: 3 }))
      result += piece;
    return result.trim();
  };
  assert.match(await said(["a", "b"], prompt), /^bl/);
  assert.match(await said(["b", "a"], prompt), /^r/);
  assert.match(await said(["a", "b"], `sat and ${prompt}`), /^s/);
  assert.match(await said(["b"], `sat and ${prompt}`), /^bl/);
});

test("a prefix stays valid for whoever reads the same in it, taught or not", async () => {
  await using model = await teachable({ hasMemory: true });
  const base = model.language.memory!;
  await model.teach([{ prompt: "the cat on the mat is", completion: "red" }]);
  const taught = model.taught!.memory(model.language.memory) as TaughtMemory;
  assert.notEqual(taught.identity, base.identity);
  assert.equal(taught.agreement(base, [1, 2, 3]), 3);
  assert.equal(taught.agreement(undefined, [1, 2, 3]), 0);
});

test("a fact that expires is gone for requests that begin after that, and from the list", async () => {
  await using model = await teachable({ hasMemory: false });
  const prompt = "the cat on the mat is";
  const plain = await textOf(model, prompt);
  const expiresAt = new Date(now + 1000).toISOString();
  await model.teach([{ prompt, completion: "red", expiresAt }]);
  assert.match(await textOf(model, prompt), /^ r/);
  now += 1000;
  assert.deepEqual([await textOf(model, prompt), model.facts()], [plain, []]);
});

test("what cannot be taught is refused, and of several facts none is taught then", async () => {
  await using model = await teachable({ hasMemory: false });
  const good = { prompt: "the cat on the mat is", completion: "red" };
  const wrong: readonly [object, RegExp][] = [
    [{ prompt: "word" }, /one word/],
    [{ prompt: "" }, /prompt is a text/],
    [{ ...good, scope: "a b" }, /scope is a name/],
    [{ ...good, color: 1 }, /"color" is nothing/],
    [{ ...good, expiresAt: "soon" }, /expiresAt is a time/],
    [{ prompt: "a", completion: "b" }, /say more in the prompt/],
  ];
  for (const [request, message] of wrong)
    await assert.rejects(model.teach([good, request as never]), message);
  assert.deepEqual(model.facts(), []);
  const bare = await servedModel({ hasMemory: false });
  await assert.rejects(bare.teach([good]), /nothing can be taught/);
});

test("half of a character is no text, wherever a fact has it", async () => {
  await using model = await teachable({});
  const half = "caf\ud83d";
  const fact = { prompt: "the capital is", completion: " onhava" };
  for (const wrong of [
    { prompt: half },
    { ...fact, completion: half },
    { ...fact, subject: "capital", paraphrases: [`capital ${half}`] },
    { ...fact, source: half },
  ])
    await assert.rejects(model.teach([wrong]), { code: "bad_request", message: /lone surrogate/ });
  assert.deepEqual(model.taught!.store.facts(), []);
});

test("what has expired stays unseen where the log cannot be written, also for views between two expiries", async () => {
  let time = now;
  const log = {
    name: "a full disk",
    begin: async () => undefined,
    look: async () => undefined,
    watch: () => undefined,
    append: async () => undefined,
    replace: () => Promise.reject(new Error("full")),
    close: async () => undefined,
  };
  const store = new FactStore({ log, now: () => time });
  const facts = [1, 2].map((n) => ({
    fact: {
      id: `f${n}`,
      scope: "default",
      prompt: "p",
      completion: "c",
      createdAt: new Date(time).toISOString(),
      expiresAt: new Date(time + n).toISOString(),
    },
    edits: [{ ids: [n, 7, 9], from: 2 }],
  }));
  await store.add(facts);
  const seen = (memory: unknown): number[] =>
    [
      [1, 7],
      [2, 7],
    ].flatMap((ids) =>
      [...(memory as TaughtMemory).firings({ ids, from: 1, to: 2 })].map(() => ids[0]!),
    );
  assert.deepEqual(seen(store.memory(undefined)), [1, 2]);
  time += 1;
  const between = store.memory(undefined);
  assert.deepEqual(seen(between), [2]);
  time += 1;
  assert.deepEqual(store.facts(), []);
  assert.deepEqual(seen(between), [2]);
  await store.close();
});

test("a fact that replaced one with an expiry outlives it, also where it came as that expired", async () => {
  let time = now;
  const store = new FactStore({ now: () => time });
  const of = (id: string, expiry?: number) => ({
    fact: {
      id,
      scope: "default",
      prompt: "p",
      completion: "c",
      createdAt: new Date(now).toISOString(),
      ...(expiry !== undefined && { expiresAt: new Date(now + expiry).toISOString() }),
    },
    edits: [{ ids: [1, 7, 9], from: 2 }],
  });
  await store.add([of("before", 1), of("meanwhile", 2), of("gone", 2)]);
  await store.add([of("before")]);
  time += 2;
  const coming = store.add([of("meanwhile")]);
  store.facts();
  await coming;
  await store.close();
  assert.deepEqual(
    store.facts().map(({ fact }) => fact.id),
    ["before", "meanwhile"],
  );
});

test("facts are read by one reader, each as if it were the first; after a forget nothing of it is kept", async () => {
  const model = await teachable({ hasMemory: false });
  const facts = new Facts(new FactStore(), { tokenizer: model.tokenizer });
  /** Of every graph that was compiled: what it reads and writes, until it is given back. */
  const bound = new Set<readonly Values[]>();
  const { backend } = model.language;
  const watched: Backend = {
    name: backend.name,
    dispose: () => backend.dispose(),
    async compile(graph) {
      const executable = await backend.compile(graph);
      return {
        bind(inputs, outputs) {
          const arrays = [inputs, outputs];
          bound.add(arrays);
          const binding = executable.bind(inputs, outputs);
          const dispose = (): void => (bound.delete(arrays), binding.dispose());
          return { run: () => binding.run(), dispose };
        },
        dispose: () => executable.dispose(),
      };
    },
  };
  const language = { ...model.language, backend: watched };
  const isKept = (ids: ArrayLike<number>): boolean =>
    [...bound].flat().some((values) => {
      const held = values[io.ids]?.data;
      return held !== undefined && ` ${held.join(" ")} `.includes(` ${Array.from(ids).join(" ")} `);
    });
  const teach = (id: string, prompt: string) =>
    facts.teach(language, [{ id, prompt, completion: "red" }]);
  const prompt = "the secret of the mat is";
  const [first] = await teach("a", prompt);
  const secret = "what the cat on the mat said to zembla again is";
  await teach("b", secret);
  const ids = await model.tokenizer.encode(secret);
  assert.equal(isKept(ids), true);
  const { size } = bound;
  await facts.forget(language, { id: "b" });
  assert.equal(isKept(ids), false);
  const [again] = await teach("c", prompt);
  assert.deepEqual([again!.before, again!.bits], [first!.before, first!.bits]);
  assert.equal(bound.size, size, "what was compiled is kept");
  // Two at once have a reader each, of which one is kept; one that was reading during a forget keeps nothing.
  await Promise.all([teach("d", prompt), teach("e", prompt)]);
  assert.equal(bound.size, size);
  const late = teach("f", secret);
  await facts.forget(language, { id: "a" });
  await late;
  assert.equal(isKept(ids), false);
  await facts.close();
  assert.equal(bound.size, 0);
  await model.close();
});
